//! A table of ways out: what is tried, and how it shows that it worked.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};

use nexus_agent::sandbox::Mode;

use super::site::{CANARY, Site, Tried, kinds, mode};

/// One way out.
struct Way {
    /// What is tried, in a few words.
    name: &'static str,
    command: &'static str,
    /// Whether it led out.
    out: fn(&Site, &Tried) -> bool,
    /// Only root can show that it works without a sandbox.
    by_root: bool,
}

const fn way(name: &'static str, command: &'static str, out: fn(&Site, &Tried) -> bool) -> Way {
    Way { name, command, out, by_root: false }
}

fn told_canary(_: &Site, tried: &Tried) -> bool {
    tried.said.contains(CANARY)
}

fn succeeded(_: &Site, tried: &Tried) -> bool {
    tried.code == Some(0)
}

fn said_yes(_: &Site, tried: &Tried) -> bool {
    tried.said.contains("YES")
}

/// Outside there is a file that was not there, or what was there has changed; put back for the next try.
fn left_a_trace(site: &Site, _: &Tried) -> bool {
    let made = site.top().join("made");
    let was_made = made.symlink_metadata().is_ok();
    let _ = fs::remove_file(made);
    let secret = site.top().join("secret");
    let changed = fs::read_to_string(&secret).ok() != Some(format!("{CANARY}\n"));
    fs::write(secret, format!("{CANARY}\n")).expect("written");
    was_made || changed
}

const WAYS: &[Way] = &[
    way("write a file outside", "echo x > {top}/made", left_a_trace),
    way("write to a file outside", "echo x >> {top}/secret", left_a_trace),
    way("cut off a file outside", "truncate -s 0 {top}/secret", left_a_trace),
    way("remove a file outside", "rm -f {top}/secret", left_a_trace),
    way("move a file outside away", "mv {top}/secret {work}/moved", left_a_trace),
    way("move a file of its own out", "echo x > mine && mv mine {top}/made", left_a_trace),
    way("read a file outside", "cat {top}/secret", told_canary),
    way("read the aspect's key", "cat ../.nexus/key.json", told_canary),
    way("read the aspect's session", "cat ../session/global.jsonl", told_canary),
    way("read another aspect's key", "cat {top}/other/.nexus/key.json", told_canary),
    way("list a folder outside", "ls {top} | grep -q secret", succeeded),
    way("copy a file outside in", "cp {top}/secret . && cat secret", told_canary),
    Way { by_root: true, ..way("read the passwords", "grep -q root /etc/shadow", succeeded) },
    way("read through a link to a file", "ln -sf {top}/secret l && cat l", told_canary),
    way("read through a link to a folder", "ln -sfn {top} f && cat f/secret", told_canary),
    way("write through a link", "ln -sf {top}/secret l && echo x >> l", left_a_trace),
    way("make a file through a dangling link", "ln -sf {top}/made d && echo x > d", left_a_trace),
    way("give a file outside a second name here", "rm -f h; ln {top}/secret h && cat h", told_canary),
    way("give a file of its own a name outside", "echo x > mine && ln mine {top}/made", left_a_trace),
    way("read through /proc/self/root", "cat /proc/self/root{top}/secret", told_canary),
    way("read through /proc/self/cwd", "cat /proc/self/cwd/../../secret", told_canary),
    way("change a file's mode", "chmod 640 {top}/secret && [ $(stat -c %a {top}/secret) = 640 ]; r=$?; chmod 644 {top}/secret; exit $r", succeeded),
    way("change a file's time", "touch -d 2001-01-01 {top}/secret && [ $(stat -c %Y {top}/secret) -lt 1000000000 ]", succeeded),
    way("write to shared memory", "echo x > /dev/shm/{mark} && rm /dev/shm/{mark}", succeeded),
    way("write to another's folder for temporary files", "echo x > /var/tmp/{mark} && rm /var/tmp/{mark}", succeeded),
    way("run what it has put into its temporary folder", "cp /bin/true $TMPDIR/{mark} && $TMPDIR/{mark}", succeeded),
    Way { by_root: true, ..way("write to a system's folder", "touch /usr/local/{mark} && rm /usr/local/{mark}", succeeded) },
    Way { by_root: true, ..way("make a device", "rm -f dev; mknod dev c 1 3", succeeded) },
    Way { by_root: true, ..way("look into the kernel's log", "dmesg > log && [ -s log ]", succeeded) },
    way("make namespaces", "unshare --user --map-root-user true", succeeded),
    way("mount", "unshare --user --map-root-user --mount mount -t tmpfs none /mnt", succeeded),
    Way { by_root: true, ..way("change the root folder", "chroot / true", succeeded) },
    way("gain rights by running a program", "grep -q 'NoNewPrivs:.0' /proc/self/status", succeeded),
    way("keep the agent's variables", "env | grep -q CARGO", succeeded),
    way("see the agent's variables", "tr '\\0' '\\n' < /proc/{agent}/environ | grep -q CARGO", succeeded),
    way("see the agent's open files", "ls /proc/{agent}/fd > list && [ -s list ]", succeeded),
    way("reach the agent's folder through /proc", "ls /proc/{agent}/cwd/ > list && [ -s list ]", succeeded),
    way("see the agent's memory",
        "head -c 9 /proc/{agent}/maps | grep -q .",
        succeeded),
    way("signal the agent", "kill -0 {agent}", succeeded),
    way("signal everything", "kill -USR1 {victim} && echo YES", said_yes),
    way("trace a process", "python3 -c 'import ctypes; l=ctypes.CDLL(None); print(\"YES\" if l.ptrace(16,{victim},0,0)==0 else \"NO\")'", said_yes),
    way("read a process's memory", "python3 -c '
import ctypes
class V(ctypes.Structure): _fields_=[(\"b\",ctypes.c_void_p),(\"n\",ctypes.c_size_t)]
m=open(\"/proc/{victim}/maps\").readline().split(\"-\")[0]
b=ctypes.create_string_buffer(8); l=V(ctypes.addressof(b),8); r=V(int(m,16),8)
print(\"YES\" if ctypes.CDLL(None).process_vm_readv({victim},ctypes.byref(l),1,ctypes.byref(r),1,0)==8 else \"NO\")'", said_yes),
    way("lower a process's limits", "prlimit --pid {victim} --nofile=4096:4096", succeeded),
    way("slow a process down", "renice -n 19 -p {victim}", succeeded),
    way("take an open file of a process", "python3 -c '
import ctypes,os
l=ctypes.CDLL(None); p=os.pidfd_open({victim})
print(\"YES\" if l.syscall(438,p,0,0)>=0 else \"NO\")'", said_yes),
    way("connect to a server of this machine", "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\",{tcp}),5); print(\"YES\")'", said_yes),
    way("be a server", "python3 -c 'import socket; s=socket.socket(); s.bind((\"127.0.0.1\",0)); s.listen(); print(\"YES\")'", said_yes),
    way("be a server over IPv6", "python3 -c 'import socket; s=socket.socket(socket.AF_INET6); s.bind((\"::\",0)); s.listen(); print(\"YES\")'", said_yes),
    way("send a datagram", "python3 -c 'import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b\"x\",(\"127.0.0.1\",{udp})); print(\"YES\")'", said_yes),
    way("connect to a socket in the file system", "python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.connect(\"{work}/sock\"); print(\"YES\")'", said_yes),
    way("connect to a socket outside of the file system", "python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.connect(\"\\0{mark}\"); print(\"YES\")'", said_yes),
    way("use a ring of system calls", "python3 -c 'import ctypes; b=ctypes.create_string_buffer(512); print(\"YES\" if ctypes.CDLL(None).syscall(425,1,b)>=0 else \"NO\")'", said_yes),
    way("type for a terminal", "python3 -c '
import fcntl,errno
try: fcntl.ioctl(open(\"/dev/null\"),0x5412,b\"x\"); print(\"YES\")
except OSError as e: print(\"NO\" if e.errno==errno.EPERM else \"YES\")'", said_yes),
    way("share memory with others", "python3 -c 'import ctypes; l=ctypes.CDLL(None); i=l.shmget({key},4096,0o600); print(\"YES\" if i>=0 else \"NO\")'", said_yes),
];

/// A process of the same user that lets itself be traced by anybody.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        let script = "import ctypes,signal,sys
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
ctypes.CDLL(None).prctl(0x59616d61, -1, 0, 0, 0)
print('ready', flush=True)
sys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut ready = [0; 6];
        child.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("it says so");
        Self(child)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the ways try to reach, as long as this is there.
struct Around {
    victim: Victim,
    tcp: TcpListener,
    udp: UdpSocket,
    _sockets: [UnixListener; 2],
    /// Of a piece of shared memory that is there.
    key: u32,
}

impl Around {
    fn new(site: &Site) -> Self {
        let _ = fs::remove_file(site.work().join("sock"));
        let abstract_name = SocketAddr::from_abstract_name(site.mark.as_bytes()).expect("a name");
        let key = std::process::id();
        let make = format!("import ctypes; ctypes.CDLL(None).shmget({key},4096,0o1600)");
        Command::new("python3").args(["-c", &make]).status().expect("python3");
        Self {
            victim: Victim::new(),
            tcp: TcpListener::bind("127.0.0.1:0").expect("a port"),
            udp: UdpSocket::bind("127.0.0.1:0").expect("a port"),
            _sockets: [
                UnixListener::bind(site.work().join("sock")).expect("a socket"),
                UnixListener::bind_addr(&abstract_name).expect("a socket"),
            ],
            key,
        }
    }

    fn filled(&self, site: &Site, command: &str) -> String {
        let port =
            |address: std::io::Result<std::net::SocketAddr>| address.expect("bound").port().to_string();
        command
            .replace("{agent}", &std::process::id().to_string())
            .replace("{victim}", &self.victim.0.id().to_string())
            .replace("{tcp}", &port(self.tcp.local_addr()))
            .replace("{udp}", &port(self.udp.local_addr()))
            .replace("{key}", &self.key.to_string())
            .replace("{mark}", &site.mark)
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        let _ = Command::new("ipcrm").args(["-M", &self.key.to_string()]).status();
    }
}

#[tokio::test]
async fn no_way_leads_out() {
    let root = rustix::process::geteuid().is_root();
    let mut led_out = Vec::new();
    let kinds = kinds(&mode(Mode::WorkspaceWrite)).await;
    let mut tried = 0;
    for way in WAYS {
        let site = Site::new();
        let openly = {
            let around = Around::new(&site);
            site.openly(&around.filled(&site, way.command))
        };
        if !way.by_root || root {
            assert!(
                (way.out)(&site, &openly),
                "{} does not even work without a sandbox: {openly:?}",
                way.name
            );
        }
        for (kind, sandbox) in &kinds {
            let site = Site::new();
            let around = Around::new(&site);
            let inside: Tried = site.run(sandbox, &around.filled(&site, way.command)).await.into();
            tried += 1;
            if (way.out)(&site, &inside) {
                led_out.push(format!("{} ({kind}): {inside:?}", way.name));
            }
        }
    }
    println!(
        "{} ways out, {tried} tries in {:?}",
        WAYS.len(),
        kinds.iter().map(|it| it.0).collect::<Vec<_>>()
    );
    assert_eq!(led_out, Vec::<String>::new());
}
