"""
Pictures for docs/pictures: the same with few colours, so that they are small.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import struct
import zlib
from collections import Counter


def pixels(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height, and the colour of each pixel of an RGB or RGBA picture (PNG, section 9: filters)."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    size, at, packed = (4 if kind == 6 else 3), 8, b""
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at:at + 8])
        packed += png[at + 8:at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    raw, row, out = zlib.decompress(packed), bytearray(width * size), []
    for y in range(height):
        start = y * (width * size + 1)
        how, line = raw[start], bytearray(raw[start + 1:start + 1 + width * size])
        for i in range(len(line) if how else 0):
            left, up, corner = (line[i - size] if i >= size else 0), row[i], (row[i - size] if i >= size else 0)
            if how == 4:
                p = left + up - corner
                add = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
            else:
                add = (0, left, up, (left + up) // 2)[how]
            line[i] = (line[i] + add) & 255
        row = line
        out += [bytes(line[i:i + 3]) for i in range(0, len(line), size)]
    return width, height, out


def few_colours(path: pathlib.Path, most: int = 64) -> None:
    """The same picture with a palette of its commonest colours."""
    width, height, dots = pixels(path.read_bytes())
    counted = Counter(dots)
    palette = [colour for colour, _ in counted.most_common(most)]
    nearest = {c: min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(c, palette[i]))) for c in counted}
    lines = b"".join(b"\0" + bytes(nearest[c] for c in dots[y * width:(y + 1) * width]) for y in range(height))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)), (b"PLTE", b"".join(palette)),
              (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks))
