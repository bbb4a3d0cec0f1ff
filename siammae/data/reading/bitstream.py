"""What the packets of a video say about its decoding, read from their bits instead of flags.

Containers mark packets as key frames that are none: pictures in open groups, recovery points of a
periodic intra refresh. The standards say by types of units (H.264 7.4.1.2.4, H.265 7.4.2.4.5) and
by frame headers (VP8 RFC 6386 9.1, VP9 6.2, AV1 5.9.2) where decoding may really start.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple, Protocol

H264_IDR, H264_SLICES, H264_SPS, H264_LAYERS = 5, (1, 5), 7, (14, 20, 21)
# Profiles whose sequence parameters hold chroma formats and scaling lists (H.264 7.3.2.1.1).
H264_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
HEVC_BROKEN, HEVC_RANDOM_ACCESS, HEVC_SLICES = range(16, 19), range(16, 22), range(32)
HEVC_SPS, HEVC_PPS, HEVC_ENDS = 33, 34, (36, 37)
AV1_SEQUENCE, AV1_FRAMES = 1, (3, 6)
# Codecs each of whose packets is one picture that refers to no other.
PICTURES = frozenset({"mjpeg", "prores", "dnxhd"})


class Access(NamedTuple):
    """What one packet says.

    start: whether decoding may start here. Every frame that is shown at the time of this packet or
        later, and that is sent here or later, is then decoded as it is from the file's start.
    one_frame: whether exactly one frame is shown for this packet, as far as its bits tell.
    """

    start: bool
    one_frame: bool


class Parser(Protocol):
    """Reads the packets of one stream, all of them in order."""

    def look(self, packet: bytes) -> Access:
        """Return what a packet says."""


def parser_of(codec: str, extradata: bytes | None) -> Parser | None:
    """Return the parser of a codec, by FFmpeg's name; None where decoding has to tell."""
    with_parameters: dict[str, Callable[[bytes], Parser]] = {"h264": H264, "hevc": Hevc}
    others: dict[str, type[Parser]] = {"vp8": Vp8, "vp9": Vp9, "av1": Av1}
    if codec in with_parameters:
        with suppress(ValueError, IndexError):  # of damaged parameters
            return with_parameters[codec](bytes(extradata or b""))
    if codec in PICTURES:
        return Picture()
    return others[codec]() if codec in others else None


class Picture(Parser):
    """Packets that are pictures of their own."""

    def look(self, packet: bytes) -> Access:
        """Return that decoding may start anywhere."""
        return Access(start=True, one_frame=True)


class H264(Parser):
    """H.264: decoding starts at IDR pictures; a packet is one frame where there are no fields."""

    def __init__(self, extradata: bytes):
        record = extradata[:1] == b"\x01"
        self.length = (extradata[4] & 3) + 1 if record and len(extradata) > 6 else 0
        self.parameters: set[bytes] = set()
        self.whole_frames = False
        for unit in _avc_record(extradata) if self.length else _start_coded(extradata):
            self._learn(unit)

    def look(self, packet: bytes) -> Access:
        """Return what a packet says; parameters in it count from then on."""
        start = picture = layers = False
        for unit in _units(packet, self.length):
            kind = unit[0] & 31
            start |= kind == H264_IDR
            picture |= kind in H264_SLICES
            layers |= kind in H264_LAYERS
            if kind == H264_SPS:
                self._learn(unit)
        return Access(start, picture and not layers and self.whole_frames)

    def _learn(self, unit: bytes) -> None:
        """Learn from sequence parameters; others later on may change the size."""
        if unit[0] & 31 == H264_SPS and unit not in self.parameters:
            self.parameters.add(unit)
            self.whole_frames = len(self.parameters) == 1 and _whole_frames(unit)


class Hevc(Parser):
    """H.265: decoding starts at IDR, CRA and BLA pictures, for what is shown after these."""

    def __init__(self, extradata: bytes):
        record = extradata[:1] == b"\x01"
        self.length = (extradata[21] & 3) + 1 if record and len(extradata) > 23 else 0
        self.sequences: set[bytes] = set()
        self.shows_all: bool | None = None
        for unit in _hevc_record(extradata) if self.length else _start_coded(extradata):
            self._learn(unit)

    def look(self, packet: bytes) -> Access:
        """Return what a packet says; parameters in it count from then on."""
        start = broken = False
        slices = 0
        for unit in _units(packet, self.length):
            kind = unit[0] >> 1 & 63
            layered = unit[0] & 1 or unit[1] >> 3
            drops = kind in HEVC_RANDOM_ACCESS and unit[2] & 0x40  # no_output_of_prior_pics_flag
            broken |= bool(layered or drops or kind in HEVC_BROKEN or kind in HEVC_ENDS)
            start |= kind in HEVC_RANDOM_ACCESS
            slices += kind in HEVC_SLICES
            self._learn(unit)
        return Access(start, slices > 0 and not broken and self._is_usual)

    @property
    def _is_usual(self) -> bool:
        return len(self.sequences) == 1 and self.shows_all is True

    def _learn(self, unit: bytes) -> None:
        """Learn from picture parameters whether slices may say that their picture is not shown."""
        if unit[0] >> 1 & 63 == HEVC_SPS:
            self.sequences.add(unit)
        if unit[0] >> 1 & 63 == HEVC_PPS:
            bits = Bits(unit[2:])
            bits.number(), bits.number(), bits.take(1)
            self.shows_all = not bits.take(1) and self.shows_all is not False


class Vp8(Parser):
    """VP8, whose packets may be frames that are only referred to."""

    def look(self, packet: bytes) -> Access:
        """Return what a packet says."""
        shown = bool(packet[0] & 0x10)
        return Access(not packet[0] & 1 and shown, shown)


class Vp9(Parser):
    """VP9, whose packets may hold several frames, of which one is shown."""

    def look(self, packet: bytes) -> Access:
        """Return what a packet says."""
        shown, start = 0, False
        for number, frame in enumerate(_vp9_frames(packet)):
            bits = Bits(frame[:2])
            bits.take(2)
            profile = bits.take(1) | bits.take(1) << 1
            bits.take(profile == 3)
            existing = bits.take(1)
            inter, displayed = (1, 1) if existing else (bits.take(1), bits.take(1))
            shown += displayed
            start |= number == 0 and not inter
        return Access(start and shown == 1, shown == 1)


class Av1(Parser):
    """AV1, whose packets are temporal units."""

    def look(self, packet: bytes) -> Access:
        """Return what a packet says; nothing of stills, and of several layers."""
        shown, start, first = 0, False, True
        for kind, payload in _obus(packet):
            if kind == AV1_SEQUENCE and payload[0] & 0x18:
                return Access(start=False, one_frame=False)
            if kind in AV1_FRAMES:
                bits = Bits(payload[:1])
                existing, frame_type, displayed = bits.take(1), bits.take(2), bits.take(1)
                shown += existing or displayed
                start |= first and not existing and frame_type == 0 and bool(displayed)
                first = False
        return Access(start and shown == 1, shown == 1)


class Bits:
    """The bits of a unit's payload, without the bytes that prevent start codes in it.

    Raises:
        ValueError: when there are no more.
    """

    def __init__(self, payload: bytes):
        self.text = payload.replace(b"\0\0\3", b"\0\0")
        self.at = 0

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        if self.at + count > 8 * len(self.text):
            raise ValueError("a packet's headers end too early")
        value = 0
        for _ in range(count):
            value = value << 1 | self.text[self.at >> 3] >> 7 - (self.at & 7) & 1
            self.at += 1
        return value

    def number(self) -> int:
        """Return the next Exp-Golomb number, unsigned (H.264 9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Return the next Exp-Golomb number, signed (H.264 9.1.1)."""
        number = self.number()
        return -(number >> 1) if number % 2 == 0 else (number + 1) >> 1


def _whole_frames(unit: bytes) -> bool:
    """Return whether sequence parameters (H.264 7.3.2.1.1) allow neither fields nor gaps."""
    bits = Bits(unit[1:])
    profile, _, _ = bits.take(8), bits.take(16), bits.number()
    if profile in H264_HIGH:
        chroma = bits.number()
        bits.take(chroma == 3)
        bits.number(), bits.number(), bits.take(1)
        if bits.take(1):
            for number in range(8 if chroma != 3 else 12):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1), bits.signed(), bits.signed()
        for _ in range(bits.number()):
            bits.signed()
    bits.number()
    gaps = bits.take(1)
    bits.number(), bits.number()
    return bool(bits.take(1)) and not gaps


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = scale = 8
    for _ in range(size):
        if scale:
            scale = (last + bits.signed()) % 256
        last = scale or last


def _units(packet: bytes, length: int) -> Iterator[bytes]:
    """Yield the units of a packet, after lengths of so many bytes each, or after start codes."""
    if not length:
        yield from _start_coded(packet)
        return
    at = 0
    while at + length < len(packet):
        size = int.from_bytes(packet[at : at + length], "big")
        unit = packet[at + length : at + length + size]
        if size < 1 or len(unit) < size:
            raise ValueError("a packet's units do not fit it")
        yield unit
        at += length + size


def _start_coded(packet: bytes) -> Iterator[bytes]:
    begin = packet.find(b"\0\0\1")
    while begin >= 0:
        end = packet.find(b"\0\0\1", begin + 3)
        unit = packet[begin + 3 : end if end >= 0 else None]
        if unit:
            yield unit
        begin = end


def _avc_record(record: bytes) -> Iterator[bytes]:
    """Yield the sequence parameters of a container's record (ISO 14496-15 5.3.3.1)."""
    at = 6
    for _ in range(record[5] & 31):
        size = int.from_bytes(record[at : at + 2], "big")
        yield record[at + 2 : at + 2 + size]
        at += 2 + size


def _hevc_record(record: bytes) -> Iterator[bytes]:
    """Yield the parameters of a container's record (ISO 14496-15 8.3.3.1)."""
    at = 23
    for _ in range(record[22]):
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            yield record[at + 2 : at + 2 + size]
            at += 2 + size


def _vp9_frames(packet: bytes) -> Iterator[bytes]:
    """Yield the frames of a packet, which may be a superframe (VP9, annex B)."""
    marker = packet[-1]
    count, width = (marker & 7) + 1, (marker >> 3 & 3) + 1
    size = 2 + count * width
    if marker >> 5 != 6 or len(packet) < size or packet[-size] != marker:
        yield packet
        return
    at = 0
    for number in range(count):
        begin = len(packet) - size + 1 + number * width
        length = int.from_bytes(packet[begin : begin + width], "little")
        if length:
            yield packet[at : at + length]
        at += length


def _obus(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and payload of the units of a packet (AV1 5.3)."""
    at = 0
    while at < len(packet):
        head = packet[at]
        at += 2 if head & 4 else 1
        size = len(packet) - at
        if head & 2:
            size, shift = 0, 0
            while True:
                size |= (packet[at] & 127) << shift
                shift += 7
                at += 1
                if not packet[at - 1] & 128:
                    break
        yield head >> 3 & 15, packet[at : at + size]
        at += size
