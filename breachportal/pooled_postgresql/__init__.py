"""Django's PostgreSQL, whose pooled connections are known to live without asking each time."""
