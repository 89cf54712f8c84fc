"""Has typst lay letters out, in a process of its own: it takes more memory than a worker keeps.

Reads one JSON object on its standard input, `template` (a path), `letters` (what the template
asks for) and `ppi` (0 for a PDF, else pages as PNG); writes how many files there are, then each
after its length (32 bits each). It knows no setting and no key, and says nothing of what it reads.
"""

import json
import struct
import sys
from typing import BinaryIO

import typst

NUMBER = struct.Struct(">I")


def main(given: BinaryIO, made: BinaryIO) -> None:
    """Lay out, or end with an error that names no text."""
    asked = json.load(given)
    compiler = typst.Compiler(asked["template"], ignore_system_fonts=True)
    inputs = {"letters": json.dumps(asked["letters"])}
    if asked["ppi"]:
        found = compiler.compile(format="png", ppi=asked["ppi"], sys_inputs=inputs)
    else:
        found = compiler.compile(format="pdf", pdf_standards=["ua-1"], sys_inputs=inputs)
    files = found if isinstance(found, list) else [found or b""]
    made.write(NUMBER.pack(len(files)))
    for file in files:
        made.write(NUMBER.pack(len(file)) + file)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
