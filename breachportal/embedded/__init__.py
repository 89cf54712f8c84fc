"""The servers that the demonstration and the tests bring with them.

Nothing here imports Django when it is imported: the supervisor runs before the settings exist.
"""
