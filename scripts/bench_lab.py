"""Two network namespaces and a veth between them, for scripts/bench-veth and scripts/bench-idle.

    generator: g0 <---- veth ----> sl0 :appliance

What is measured stays on the second CPU, what it receives as well: sl0 has a NAPI thread of its own
(threaded, pinned, ahead of ordinary threads as a soft interrupt is), whose CPU time can be told from the
process's. What returns to the generator is received on the first CPU, by RPS. Offloads are off, the
kernel is kept off both ends by an nftables chain that drops behind the packet tap (scripts/lab says why);
`open()` lets it in for a program that uses sockets.
"""
import os
import subprocess
import time

from bench_tools import DESTINATIONS, MAC, cpus_of_ours, die

PEER_MAC = "02:00:00:00:00:09"


def run(*command, quiet=False):
    where = subprocess.DEVNULL if quiet else None
    subprocess.run([str(word) for word in command], check=True, stdout=where, stderr=where)


class VethLab:
    def __init__(self, threaded):
        """`threaded`: receive for sl0 in a kernel thread on the second CPU; else wherever the kernel likes."""
        if os.geteuid() != 0:
            die("needs root: network namespaces")
        self.names = ["siplane-bench-%d-%s" % (os.getpid(), role) for role in ("gen", "lb")]
        self.generator, self.appliance = self.names
        self.threaded = threaded
        self.napi = None

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

    def build(self):
        for name in self.names:
            run("ip", "netns", "add", name)
            self.inside(name, "ip", "link", "set", "lo", "up")
        run("ip", "-n", self.generator, "link", "add", "g0", "address", PEER_MAC, "type", "veth",
            "peer", "name", "sl0", "address", MAC, "netns", self.appliance)
        for name, device in ((self.generator, "g0"), (self.appliance, "sl0")):
            self.inside(name, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off",
                        quiet=True)
            self.write(name, "/proc/sys/net/ipv6/conf/%s/disable_ipv6" % device, 1)
            run("ip", "-n", name, "link", "set", device, "arp", "off")
            self.close(name, device)
        first, second = cpus_of_ours()[0], cpus_of_ours()[-1]
        self.write(self.generator, "/sys/class/net/g0/queues/rx-0/rps_cpus", "%x" % (1 << first))
        if self.threaded:  # a veth has NAPI with GRO, or with XDP
            self.inside(self.appliance, "ethtool", "-K", "sl0", "gro", "on", quiet=True)
        run("ip", "-n", self.generator, "link", "set", "g0", "up")
        run("ip", "-n", self.appliance, "link", "set", "sl0", "up")
        if self.threaded:
            self.write(self.appliance, "/sys/class/net/sl0/threaded", 1)
            self.pin_napi(second)

    def pin_napi(self, cpu):
        """Finds sl0's NAPI thread and keeps it on one CPU; again when a program has set up XDP."""
        for _ in range(50):
            for task in os.listdir("/proc"):
                if not task.isdigit():
                    continue
                try:
                    with open("/proc/%s/comm" % task) as comm:
                        found = comm.read().startswith("napi/sl0-")
                except OSError:
                    continue
                if found:
                    self.napi = int(task)
                    os.sched_setaffinity(self.napi, [cpu])
                    os.sched_setscheduler(self.napi, os.SCHED_FIFO, os.sched_param(1))
                    return
            time.sleep(0.02)
        die("sl0 has no NAPI thread: no threaded NAPI in this kernel")

    def napi_ns(self):
        """CPU time of the thread that receives for sl0."""
        with open("/proc/%d/schedstat" % self.napi) as stat:
            return int(stat.read().split()[0])

    def inside(self, name, *command, quiet=False):
        run("ip", "netns", "exec", name, *command, quiet=quiet)

    def write(self, name, path, value):
        self.inside(name, "sh", "-c", "echo %s >%s" % (value, path))

    def close(self, name, device):
        """The kernel sees nothing of what arrives; packet sockets and XDP do."""
        self.inside(name, "nft", "add table netdev bench; add chain netdev bench ingress "
                    "{ type filter hook ingress device \"%s\" priority 0; policy drop; }" % device)

    def open(self):
        """The appliance's end for a program with sockets: its address, the destinations' MAC addresses."""
        name = self.appliance
        self.inside(name, "nft", "delete", "table", "netdev", "bench")
        for key in ("all", "sl0"):
            self.write(name, "/proc/sys/net/ipv4/conf/%s/rp_filter" % key, 0)
        run("ip", "-n", name, "address", "add", "10.77.0.1/24", "dev", "sl0")
        hosts = ["10.77.0.%d" % (101 + i) for i in range(DESTINATIONS)] + ["10.77.0.254"]
        for host in hosts:
            run("ip", "-n", name, "neighbour", "add", host, "lladdr", PEER_MAC, "dev", "sl0", "nud",
                "permanent")
        run("ip", "-n", name, "route", "add", "default", "via", "10.77.0.254")

    def shut(self):
        """Takes open() back."""
        run("ip", "-n", self.appliance, "address", "flush", "dev", "sl0")
        run("ip", "-n", self.appliance, "neighbour", "flush", "dev", "sl0", "nud", "permanent")
        self.close(self.appliance, "sl0")
