"""TRex (stateless): a capture of SIP messages, each frame a stream, at one common rate.

  trex> start -f trex_sip.py -m 100% -d 30 -t --pcap=invite.pcap,--pps=1000000

Not run by those who wrote it (README.md). The streams begin one after the other, so that the frames take
turns in the order of the capture. No latency streams: TRex writes its own signature over the end of a
message, which spoils the UDP checksum.
"""
import argparse

from scapy.utils import RawPcapReader
from trex_stl_lib.api import STLPktBuilder, STLStream, STLTXCont

STREAMS_MAX = 2048


class SipCapture:
    def get_streams(self, direction=0, tunables=(), **_):
        parser = argparse.ArgumentParser()
        parser.add_argument("--pcap", default="invite.pcap")
        parser.add_argument("--pps", type=float, default=100000, help="of all frames together")
        options = parser.parse_args(tunables)
        frames = [bytes(frame) for frame, _ in RawPcapReader(options.pcap)][:STREAMS_MAX]
        if not frames:
            raise ValueError("no frames in " + options.pcap)
        gap_us = 1e6 / options.pps
        return [STLStream(packet=STLPktBuilder(pkt_buffer=frame), isg=i * gap_us,
                          mode=STLTXCont(pps=options.pps / len(frames)))
                for i, frame in enumerate(frames)]


def register():
    return SipCapture()
