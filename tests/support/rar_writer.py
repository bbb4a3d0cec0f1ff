"""RAR 5 archives whose members are stored as they are, after RAR's published description."""

import zlib


def rar(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """An archive of files, and of symbolic links by their names."""
    blocks = [_block(1, 0, _number(0))]
    for name, body in files.items():
        blocks.append(_block(2, 2, _number(len(body)) + _member(name, body)) + body)
    for name, target in (links or {}).items():
        to = target.encode()
        record = _number(5) + _number(1) + _number(0) + _number(len(to)) + to
        extra = _number(len(record)) + record
        sizes = _number(len(extra)) + _number(0)
        blocks.append(_block(2, 3, sizes + _member(name, b"") + extra))
    blocks.append(_block(5, 0, _number(0)))
    return b"Rar!\x1a\x07\x01\x00" + b"".join(blocks)


def _member(name: str, body: bytes) -> bytes:
    encoded = name.encode()
    head = _number(4) + _number(len(body)) + _number(0o100644)
    return (
        head
        + zlib.crc32(body).to_bytes(4, "little")
        + _number(0)
        + _number(1)
        + _number(len(encoded))
        + encoded
    )


def _block(kind: int, flags: int, rest: bytes) -> bytes:
    content = _number(kind) + _number(flags) + rest
    content = _number(len(content)) + content
    return zlib.crc32(content).to_bytes(4, "little") + content


def _number(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
