//! What a command may do, what it is given, how much it may take, and that nothing of it is left.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use nexus_agent::sandbox::{CommandEnd, Kept, Mode, Sandbox, SandboxConfig, SandboxError};

use super::site::{CANARY, Site, kinds, mode, runs, sandbox, until};

#[tokio::test]
async fn a_command_works_where_it_may() {
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let site = Site::new();
        let command = "mkdir -p a/b && echo one > a/b/c && sed -i s/one/two/ a/b/c && cat a/b/c ../docs/read.me \
                       && mv a/b/c d && ln -s d e && printf '#!/bin/sh\\necho ran' > f && sh f && echo x > $TMPDIR/t \
                       && python3 -c 'import subprocess,threading; print(6*7, end=\"\")' >&2; exit 3";
        let ran = site.run(&sandbox, command).await;
        assert_eq!(ran.end, CommandEnd::Exit(3), "{kind}: {ran:?}");
        assert_eq!((ran.stdout.text(), ran.stderr.text()), ("two\nfor reading\nran\n".into(), "42".into()));
        assert_eq!(fs::read_to_string(site.work().join("e")).expect("written"), "two\n");
        let ran = site.run(&sandbox, "kill -TERM $$").await;
        // As namespaces have a process of their own in between, which tells it as shells do.
        let expected = if kind == "bubblewrap" { CommandEnd::Exit(143) } else { CommandEnd::Signal(15) };
        assert_eq!(ran.end, expected, "{kind}");
    }
}

#[tokio::test]
async fn its_variables_are_a_few_and_the_same_everywhere() {
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let site = Site::new();
        let ran = site.run(&sandbox, "env | grep -v -e ^PWD= -e ^OLDPWD= -e ^SHLVL= -e ^_= | sort").await;
        let said = ran.stdout.text();
        let lines: Vec<&str> = said.lines().collect();
        let home = format!("HOME={}", site.work().display());
        assert_eq!(
            lines[..4],
            [
                home.as_str(),
                "LANG=C.UTF-8",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=dumb"
            ],
            "{kind}"
        );
        let temp = lines[4].strip_prefix("TMPDIR=").expect("a folder of its own");
        assert!(lines.len() == 5 && !std::path::Path::new(temp).exists(), "{kind}: it is gone afterwards");
    }
}

#[tokio::test]
async fn where_only_reading_is_allowed_nothing_is_written_but_temporary_files() {
    for (kind, sandbox) in kinds(&mode(Mode::ReadOnly)).await {
        let site = Site::new();
        fs::write(site.work().join("a"), "text\n").expect("written");
        let command =
            "cat a; echo x > a; echo x > b; rm -f a; mkdir c; echo y > $TMPDIR/t && cat $TMPDIR/t; ls";
        let ran = site.run(&sandbox, command).await;
        assert_eq!(ran.stdout.text(), "text\ny\na\n", "{kind}: {ran:?}");
        assert_eq!(fs::read_to_string(site.work().join("a")).expect("is there"), "text\n");
    }
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let site = Site::new();
        let ran =
            site.run(&sandbox, "echo x > ../docs/read.me; echo x > ../docs/new; cat ../docs/read.me").await;
        assert_eq!(ran.stdout.text(), "for reading\n", "{kind}: {ran:?}");
    }
}

#[tokio::test]
async fn the_network_is_there_when_the_home_says_so() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("bound").port();
    let config = SandboxConfig { network: true, ..SandboxConfig::default() };
    for (kind, sandbox) in kinds(&config).await {
        let site = Site::new();
        let connect =
            format!("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\",{port}),5)'");
        let ran = site.run(&sandbox, &connect).await;
        assert_eq!(ran.end, CommandEnd::Exit(0), "{kind}: {ran:?}");
        let raw = "python3 -c 'import socket; socket.socket(socket.AF_INET,socket.SOCK_RAW,1)'";
        let unix = "python3 -c 'import socket; socket.socket(socket.AF_UNIX)'";
        for other in [raw, unix] {
            let ran = site.run(&sandbox, other).await;
            assert_eq!(ran.end, CommandEnd::Exit(1), "{kind}: {ran:?}");
            assert!(ran.stderr.text().contains("Operation not permitted"), "{kind}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_closed_where_everything_is_allowed_but_the_agents_variables() {
    let site = Site::new();
    let full = sandbox(mode(Mode::Full));
    let ran = site.run(&full, "cat {top}/secret; env | grep CARGO; sleep 600 & exit 0").await;
    assert_eq!((ran.stdout.text(), ran.end), (format!("{CANARY}\n"), CommandEnd::Exit(0)));
}

#[tokio::test]
async fn a_folder_of_keys_within_a_root_is_hidden_or_the_command_is_refused() {
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let site = Site::new();
        let closed = site.work().join("inner/.nexus");
        fs::create_dir_all(&closed).expect("made");
        fs::write(closed.join("key.json"), CANARY).expect("written");
        let mut request = site.request("cat inner/.nexus/key.json; ls -A inner/.nexus");
        request.closed = vec![closed.clone()];
        match sandbox.run(request).await {
            Ok(ran) => {
                assert_eq!((kind, ran.stdout.text().as_str()), ("bubblewrap", ""));
            }
            Err(SandboxError::Closed(path)) => assert_eq!((kind, path), ("landlock", closed)),
            Err(error) => panic!("{kind}: {error}"),
        }
    }
}

#[tokio::test]
async fn what_it_writes_is_kept_at_both_ends_and_never_holds_it_up() {
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let site = Site::new();
        let mut request =
            site.request("echo begin; head -c 50000000 /dev/zero; printf '\\377end'; printf err >&2");
        request.output_bytes_max = 64;
        let ran = sandbox.run(request).await.expect("ran");
        let Kept { head, tail, omitted } = ran.stdout;
        assert!(
            head.starts_with("begin\n\0") && tail.ends_with("\0\u{fffd}end"),
            "{kind}: {head:?} {tail:?}"
        );
        assert_eq!((omitted, ran.stderr.text().as_str()), (6 + 50_000_000 + 4 - 64, "err"), "{kind}");
    }
}

#[tokio::test]
async fn files_memory_and_open_files_are_bounded() {
    let config = SandboxConfig { file_mb: 4, memory_mb: 256, ..SandboxConfig::default() };
    for (kind, sandbox) in kinds(&config).await {
        let site = Site::new();
        site.run(&sandbox, "dd if=/dev/zero of=big bs=1M count=20").await;
        let bytes = fs::metadata(site.work().join("big")).expect("begun").len();
        assert_eq!(bytes, 4 * 1024 * 1024, "{kind}");
        let ran = site.run(&sandbox, "python3 -c 'bytearray(512*1024*1024)'").await;
        assert!(ran.stderr.text().contains("MemoryError"), "{kind}: {ran:?}");
        let many = "python3 -c 'f=[open(\"/dev/null\") for _ in range(2000)]'";
        assert!(site.run(&sandbox, many).await.stderr.text().contains("Too many open files"), "{kind}");
        let dump = site.run(&sandbox, "ulimit -c; ulimit -Hc").await;
        assert_eq!(dump.stdout.text(), "0\n0\n", "{kind}");
    }
}

/// The kernel sets root no limit on processes, so as root the helper is run as nobody.
fn as_nobody(site: &Site, sandbox: &SandboxConfig) -> Sandbox {
    let agent = env!("CARGO_BIN_EXE_agent");
    if !rustix::process::geteuid().is_root() {
        return super::site::sandbox(sandbox.clone());
    }
    for folder in ["", "home", "home/work", "home/docs"] {
        let path = site.top().join(folder);
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("ours");
    }
    let helper = site.top().join("helper");
    let script =
        format!("#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {agent} \"$@\"\n");
    fs::write(&helper, script).expect("written");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("ours");
    Sandbox::new(sandbox.clone(), helper)
}

#[tokio::test]
async fn processes_are_bounded_and_none_is_left() {
    let config = SandboxConfig { processes: 40, ..SandboxConfig::default() };
    for kind in ["landlock", "bubblewrap"] {
        let site = Site::new();
        let with = as_nobody(&site, &config);
        let sandbox = match kind {
            "landlock" => with.without_bubblewrap(),
            _ if with.has_namespaces().await => with,
            _ => continue,
        };
        let bomb = "import os,time
n=0
while n<500:
    try: p=os.fork()
    except OSError: break
    if p==0:
        os.setsid()
        time.sleep(600)
    n+=1
print(n)";
        fs::write(site.work().join("bomb.py"), bomb).expect("written");
        let ran = site.run(&sandbox, "python3 {work}/bomb.py").await;
        let made: u32 = ran.stdout.text().trim().parse().unwrap_or_else(|_| panic!("{kind}: {ran:?}"));
        // The keeper's own threads count while they are there.
        assert!((20..=50).contains(&made), "{kind}: {made} processes");
        assert!(!runs(&site.mark), "{kind}: none of them is left");
    }
}

#[tokio::test]
async fn nothing_outlives_its_command_however_it_hides() {
    let daemons = [
        ("left in the background", "sleep 600.{mark} & exit 0"),
        ("of a session of its own", "setsid sleep 600.{mark} & exit 0"),
        ("deaf to hangups", "nohup sleep 600.{mark} > /dev/null 2>&1 & exit 0"),
        (
            "forked twice",
            "python3 -c '
import os,sys,time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.execvp(\"sleep\",[\"sleep\",\"600.{mark}\"])'; sleep 0.2; exit 0",
        ),
        ("deaf to signals", "sh -c 'trap \"\" TERM HUP INT; sleep 600.{mark}; :' & exit 0"),
    ];
    let config = mode(Mode::WorkspaceWrite);
    let mut kinds = kinds(&config).await;
    kinds.push(("full", sandbox(mode(Mode::Full))));
    for (name, command) in daemons {
        // A number that sleep takes and nobody else has.
        let fill = |site: &Site| {
            let number: u32 =
                site.mark.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            (command.replace("{mark}", &number.to_string()), format!("600.{number}"))
        };
        let site = Site::new();
        let (command, word) = fill(&site);
        site.openly(&format!("({command}) > /dev/null 2>&1"));
        // The shell is gone at once, and what it left may still be about to begin.
        until(&format!("{name}: without a sandbox it goes on"), || runs(&word)).await;
        site.openly(&format!("pkill -KILL -f '{}'", word.replace('.', "[.]")));
        for (kind, sandbox) in &kinds {
            let site = Site::new();
            let (command, word) = fill(&site);
            let ran = site.run(sandbox, &command).await;
            assert_eq!(ran.end, CommandEnd::Exit(0), "{name} ({kind}): {ran:?}");
            assert!(!runs(&word), "{name} ({kind}): it is still there");
        }
    }
}

#[tokio::test]
async fn a_command_that_takes_too_long_ends_with_all_it_has_started() {
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let site = Site::new();
        let mut request = site.request("echo begun; (setsid sleep 601.5 &) ; sleep 601.5");
        request.timeout = Some(Duration::from_millis(400));
        let ran = sandbox.run(request).await.expect("ran");
        assert_eq!((ran.end, ran.stdout.text().as_str()), (CommandEnd::TimedOut, "begun\n"), "{kind}");
        assert!(!runs("601.5"), "{kind}");
    }
}

#[tokio::test]
async fn a_command_that_is_given_up_ends_with_all_it_has_started() {
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let site = Site::new();
        let begun = site.work().join("begun");
        let request = site.request("(setsid sleep 602.5 &) ; touch begun; sleep 602.5");
        let (running, given_up) = (sandbox.clone(), begun.clone());
        let run = tokio::spawn(async move { running.run(request).await });
        until("the command's begin", || given_up.exists()).await;
        run.abort();
        assert!(run.await.is_err(), "{kind}: it was given up");
        // Nobody is told of the end, so it is looked for.
        until("the end of all it has started", || !runs("602.5")).await;
    }
}

#[tokio::test]
async fn no_open_file_of_the_agent_is_handed_on() {
    let site = Site::new();
    let secret = fs::File::open(site.top().join("secret")).expect("is there");
    // As a careless parent of the agent would leave it.
    rustix::io::fcntl_setfd(&secret, rustix::io::FdFlags::empty()).expect("open");
    let number = std::os::fd::AsRawFd::as_raw_fd(&secret);
    let command = format!("cat /proc/self/fd/{number}");
    assert!(site.openly(&command).said.contains(CANARY));
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let ran = site.run(&sandbox, &command).await;
        assert!(!ran.stdout.text().contains(CANARY), "{kind}: {ran:?}");
        let ran = site
            .run(&sandbox, "for n in $(seq 3 9); do [ -e /proc/self/fd/$n ] && echo $n; done; true")
            .await;
        assert_eq!(ran.stdout.text(), "", "{kind}: {ran:?}");
    }
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_made_is_told_and_nothing_is_run() {
    let site = Site::new();
    let gone = Sandbox::new(mode(Mode::WorkspaceWrite), "/no/such/helper".into());
    let error = gone.run(site.request("touch {work}/ran")).await.expect_err("there is no helper");
    assert!(error.to_string().starts_with("the command was lost: "), "{error}");
    for (kind, sandbox) in kinds(&mode(Mode::WorkspaceWrite)).await {
        let mut request = site.request("touch {work}/ran");
        request.folder = site.work().join("gone");
        let error = sandbox.run(request).await.expect_err("there is no such folder").to_string();
        assert!(error.contains("the command was not run: ") && error.contains("gone"), "{kind}: {error}");
    }
    assert!(!site.work().join("ran").exists());
}
