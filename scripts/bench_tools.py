"""What the scripts/bench* programs share: the appliance of tests/bench/relay/workload.h, processes of
DPDK on cores of their own, CPU time, and the search for the rate without loss.

CPUs: the main lcore of everything, and the generator, on the first CPU; workers from the second on.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECRET = "a secret for benchmarks only"  # tests/bench/relay/workload.cc
DESTINATIONS = 16
MAC = "02:70:63:61:70:00"  # workload.h: kServiceMac
START_SECONDS = 30


def die(text):
    print("%s: %s" % (os.path.basename(sys.argv[0]), text), file=sys.stderr)
    sys.exit(2)


def need(program, package):
    if shutil.which(program) is None:
        die("%s is missing (package %s)" % (program, package))


def free_huge_pages():
    with open("/proc/meminfo") as info:
        return int(re.search(r"HugePages_Free:\s+(\d+)", info.read()).group(1))


def cpus_of_ours():
    return sorted(os.sched_getaffinity(0))


def memory_args():
    return ["--in-memory"] if free_huge_pages() >= 128 else ["--no-huge", "-m", "512"]


def eal_args(workers):
    """The main lcore on the first CPU, workers from the second on; the last one beside the main lcore if need be."""
    cpus = cpus_of_ours()
    if workers > len(cpus):
        die("%d workers need as many CPUs, here are %d" % (workers, len(cpus)))
    order = cpus[1:] + cpus[:1]
    lcores = ["0@%d" % cpus[0]] + ["%d@%d" % (i + 1, order[i]) for i in range(workers)]
    return ["--lcores", ",".join(lcores), "--no-pci", "--no-telemetry",
            "--log-level=error"] + memory_args()


def rx_devices(pcap, workers):
    """A device that plays the capture for ever, one queue for each worker."""
    return "net_pcap0" + (",rx_pcap=" + pcap) * workers + ",infinite_rx=1"


def generator_eal_args():
    return ["--lcores", "0@%d" % cpus_of_ours()[0], "--no-pci", "--no-telemetry",
            "--log-level=error"] + memory_args()


def thread_ns(pid):
    """CPU time of the worker threads of a DPDK process, nanoseconds by thread id."""
    times = {}
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/comm" % (pid, task)) as comm:
            if "worker" not in comm.read():
                continue
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as stat:
            times[int(task)] = int(stat.read().split()[0])
    return times


def process_ns(pid):
    """CPU time of all threads of a process, nanoseconds."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as stat:
                total += int(stat.read().split()[0])
        except OSError:
            pass  # a thread that has ended meanwhile
    return total


def build(options, targets):
    """Installs what is missing and builds what is measured, unless --no-build."""
    if options.no_build:
        return
    installed = subprocess.run([ROOT + "/scripts/install-packages", "build", "run", "bench"],
                               stdout=sys.stderr)
    if installed.returncode != 0:
        sys.exit(2)
    if not os.path.exists(options.build + "/build.ninja"):
        subprocess.run(["meson", "setup", options.build, ROOT], check=True, stdout=sys.stderr)
    subprocess.run(["ninja", "-C", options.build] + targets, check=True, stdout=sys.stderr)


def add_build_options(parser):
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
    parser.add_argument("--build", default=ROOT + "/build", help="an optimised build")
    parser.add_argument("--no-build", action="store_true", help="take what stands there")
    parser.add_argument("--frames", type=int, default=512, help="different frames in a workload")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", default=ROOT + "/../shared/corpus/realworld",
                        help="folder of messages for the workload realworld")


def workload_names(options):
    return subprocess.run([options.build + "/tests/bench/relay_bench", "list"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def generate(options, work, name):
    """The capture of a workload; None if it has said why there is none."""
    pcap = "%s/%s.pcap" % (work, name)
    made = subprocess.run([options.build + "/tests/bench/relay_bench", "generate", name,
                           str(options.frames), str(options.seed), pcap, options.corpus])
    return pcap if made.returncode == 0 else None


def check_capture(options, sent, back):
    """What the checker says of a recorded pass."""
    done = subprocess.run([options.build + "/tests/bench/relay_bench", "check", sent, back],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    report = json.loads(done.stdout) if done.stdout else {"wrong": -1, "sent": -1, "received": -1}
    report["problems"] = done.stderr.splitlines()
    report["right"] = done.returncode == 0
    return report


def neighbours():
    for family in ("10.77.0.%d", "fd77::%d"):
        for i in range(DESTINATIONS):
            yield family % (101 + i)
    yield "10.77.0.254"
    yield "fd77::fe"


def write_config(work, device, eal, peer_mac="02:00:00:00:00:09", more=""):
    """The appliance that tests/bench/relay/workload.h tells of."""
    with open(work + "/list", "w") as table:
        for i in range(DESTINATIONS):
            table.write("1 sip:10.77.0.%d:5060\n" % (101 + i))
        for i in range(DESTINATIONS):
            table.write("2 sip:[fd77::%d]:5060\n" % (101 + i))
    with open(work + "/secret", "w") as secret:
        secret.write(SECRET)
    os.chmod(work + "/secret", 0o600)
    macs = ", ".join('"%s" = "%s"' % (address, peer_mac) for address in neighbours())
    with open(work + "/siplane.toml", "w") as config:
        config.write("""secret_file = "%(work)s/secret"
%(more)s
[eal]
args = %(eal)s
[[port]]
name = "bench"
device = "%(device)s"
addresses = ["10.77.0.1/24", "fd77::1/64"]
gateway = ["10.77.0.254", "fd77::fe"]
neighbors = { %(macs)s }
[[service]]
name = "ipv4"
listen = ["10.77.0.1:5060"]
set = 1
[[service]]
name = "ipv6"
listen = ["[fd77::1]:5060"]
set = 2
[dispatcher]
list_file = "%(work)s/list"
[rpc]
binrpc = []
jsonrpc = ["unixd:%(work)s/rpc"]
[http]
listen = ""
[log]
level = "warning"
""" % {"work": work, "eal": json.dumps(eal), "device": device, "macs": macs, "more": more})
    return work + "/siplane.toml"


def wait_for_socket(path, process):
    """Until `process` listens there."""
    end = time.time() + START_SECONDS
    while not os.path.exists(path):
        if process.poll() is not None or time.time() > end:
            die("nothing listens at " + path)
        time.sleep(0.02)


def own_group():
    """For preexec_fn: a scheduling group of its own, ahead of others.

    Linux shares a CPU between sessions first (autogroup): in ours, a busy generator on one CPU
    would take the share of a worker on the other.
    """
    os.setsid()
    try:
        with open("/proc/self/autogroup", "w") as group:
            group.write("-10")
    except OSError:
        pass  # no such groups here, or not root


def in_namespace(namespace, command):
    return ["ip", "netns", "exec", namespace] + command if namespace else command


class Appliance:
    """siplaned on one device, asked over its JSON-RPC socket."""

    def __init__(self, options, work, device, eal, namespace=None, **config):
        path = write_config(work, device, eal, **config)
        self.log = open(work + "/log", "w+")
        self.process = subprocess.Popen(
            in_namespace(namespace, [options.build + "/cp/siplaned", "--config", path]),
            stdout=self.log, stderr=self.log, preexec_fn=own_group)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        here = work + "/client"
        if os.path.exists(here):
            os.unlink(here)
        self.socket.bind(here)
        self.socket.settimeout(5)
        self.path = work + "/rpc"

    @property
    def pid(self):
        return self.process.pid

    def started(self):
        end = time.time() + START_SECONDS
        while time.time() < end and self.process.poll() is None:
            try:
                self.stats()
                return self
            except OSError:
                time.sleep(0.02)
        self.kill()
        self.log.seek(0)
        die("siplaned did not start: " + self.log.read())

    def stats(self):
        request = {"jsonrpc": "2.0", "method": "siplane.stats", "id": 1}
        self.socket.sendto(json.dumps(request).encode(), self.path)
        result = json.loads(self.socket.recv(65536))["result"]
        total = result["TOTAL"]
        total["drops"] = {}
        for row in result.get("DROPS", []):
            row = row.get("DROP", row)
            if int(row["count"]):
                total["drops"][row["reason"]] = int(row["count"])
        return {key: value if key == "drops" else int(value) for key, value in total.items()}

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        counters = self.stats()
        self.socket.close()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        if code != 0:
            self.log.seek(0)
            die("siplaned ended with %d: %s" % (code, self.log.read()))
        return counters


def unbalanced(c):
    parts = c["forwarded"] + c["replied"] + c["punted"] + c["held"] + c["dropped"]
    return c["received"] != parts


class Load:
    """tests/bench/sip_load: plays a capture, counts what comes back."""

    def __init__(self, options, pcap, device, namespace=None):
        command = [options.build + "/tests/bench/sip_load", pcap, device] + generator_eal_args()
        self.process = subprocess.Popen(in_namespace(namespace, command), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=own_group)

    def started(self):
        """Waits for its link: a device that others connect to has one when they have."""
        if "ready" not in self.answer():
            die("sip_load did not start")
        return self

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            die("sip_load has ended")
        return json.loads(line)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self, pps, seconds):
        """One trial, with its rates and its loss."""
        trial = self.ask("run", pps, seconds)
        trial["pps"] = trial["due"] / trial["seconds"]
        trial["returned_pps"] = trial["returned"] / trial["seconds"]
        trial["lost"] = trial["due"] - trial["returned"]
        return trial

    def stop(self):
        self.process.stdin.close()
        if self.process.wait(30) != 0:
            die("sip_load ended with %d" % self.process.returncode)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def search(load, highest, seconds, trials, loss):
    """RFC 2544 section 26.1: the highest rate of which at most the share `loss` is lost.

    The first trial, at `highest`, shows what comes through under overload; from there by halves.
    Each rate that fails is tried twice: a guest's CPU is taken away now and then.
    """
    def passes(rate):
        for _ in range(2):
            trial = load.run(rate, seconds)
            done.append(trial)
            if trial["lost"] <= loss * trial["due"]:
                return trial
        return None

    done = [load.run(highest, seconds)]
    most = done[0]["returned_pps"]
    low, high, best = 0.0, min(highest, most * 1.15), None
    while len(done) < trials and (best is None or high - low > 0.005 * high):
        rate = high * 0.9 if best is None else (low + high) / 2
        trial = passes(rate)
        if trial:  # where the generator was late, its real rate counts
            if trial["pps"] > low:
                low, best = trial["pps"], trial
        else:
            high = rate
    return {"pps": round(best["pps"]) if best else 0, "trial": best, "overload_pps": round(most),
            "trials": len(done)}
