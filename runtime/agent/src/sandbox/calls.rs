//! System calls that a command has no use for, and that would lead out of its sandbox or harm the machine.
//!
//! Everything else is allowed; what files and processes it reaches is landlock's matter.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters to be applied one after the other.
pub(super) fn filters(network: bool, in_namespaces: bool) -> Result<Vec<BpfProgram>, BackendError> {
    let target: TargetArch = std::env::consts::ARCH.try_into()?;
    let filter = |rules: Rules, error: i32| {
        let error = SeccompAction::Errno(error.unsigned_abs());
        SeccompFilter::new(rules, SeccompAction::Allow, error, target)?.try_into()
    };
    let mut forbidden = forbidden(network)?;
    if !in_namespaces {
        forbidden.extend(shared()?);
    }
    Ok(vec![filter(forbidden, libc::EPERM)?, filter(missing(), libc::ENOSYS)?])
}

fn forbidden(network: bool) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend([libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt].map(|call| (call, Vec::new())));
    // A terminal could be told to type.
    let ioctl = |request: u64| rule(vec![condition(1, SeccompCmpOp::Eq, request)?]);
    rules.insert(libc::SYS_ioctl, vec![ioctl(libc::TIOCSTI)?, ioctl(TIOCLINUX)?]);
    let mut namespaces = Vec::new();
    for flag in NAMESPACES {
        let flag = u64::from(flag.unsigned_abs());
        namespaces.push(rule(vec![condition(0, SeccompCmpOp::MaskedEq(flag), flag)?])?);
    }
    rules.insert(libc::SYS_clone, namespaces);
    let socket = if network {
        // Names of sockets in the file system are no matter of landlock's, so only the internet is left.
        let others = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]
            .map(|domain| condition(0, SeccompCmpOp::Ne, domain.unsigned_abs().into()));
        let raw = condition(1, SeccompCmpOp::MaskedEq(SOCKET_TYPE), libc::SOCK_RAW.unsigned_abs().into())?;
        let not_netlink = condition(0, SeccompCmpOp::Ne, libc::AF_NETLINK.unsigned_abs().into())?;
        vec![rule(others.into_iter().collect::<Result<_, _>>()?)?, rule(vec![raw, not_netlink])?]
    } else {
        Vec::new()
    };
    rules.insert(libc::SYS_socket, socket);
    Ok(rules)
}

/// What reaches other processes, or the attributes of files outside, where these are there to be reached: landlock asks
/// neither who changes the mode of a file nor who shares memory by a number.
fn shared() -> Result<Rules, BackendError> {
    let mut rules: Rules = UNASKED.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend(
        [
            libc::SYS_chmod,
            libc::SYS_chown,
            libc::SYS_lchown,
            libc::SYS_utime,
            libc::SYS_utimes,
            libc::SYS_futimesat,
        ]
        .map(|call| (call, Vec::new())),
    );
    // By its open file alone; there the argument with the path is null.
    let path = SeccompCondition::new(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_utimensat, vec![rule(vec![path])?]);
    // Of the caller itself, which is 0, and of nobody else.
    for (call, argument) in [
        (libc::SYS_prlimit64, 0),
        (libc::SYS_sched_setaffinity, 0),
        (libc::SYS_sched_setattr, 0),
        (libc::SYS_sched_setparam, 0),
        (libc::SYS_sched_setscheduler, 0),
        (libc::SYS_setpriority, 1),
        (libc::SYS_ioprio_set, 1),
    ] {
        rules.insert(call, vec![rule(vec![condition(argument, SeccompCmpOp::Ne, 0)?])?]);
    }
    Ok(rules)
}

/// Programs do without these when they are told that there are none. The flags of `clone3` cannot be looked at.
fn missing() -> Rules {
    [libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register]
        .map(|call| (call, Vec::new()))
        .into()
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

const TIOCLINUX: u64 = 0x541c;
/// The part of a socket's type that is not flags.
const SOCKET_TYPE: u64 = 0xf;

const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// The same on every architecture, and not known to every version of the C library.
const SYS_FCHMODAT2: i64 = 452;

const UNASKED: [i64; 14] = [
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchownat,
    libc::SYS_lremovexattr,
    libc::SYS_lsetxattr,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_msgget,
    libc::SYS_removexattr,
    libc::SYS_semget,
    libc::SYS_setxattr,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmget,
];

const ALWAYS: [i64; 51] = [
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sets_of_filters_can_be_made() {
        for (network, in_namespaces) in [(false, false), (false, true), (true, false), (true, true)] {
            let filters = filters(network, in_namespaces).expect("made");
            assert!(filters.iter().all(|filter| filter.len() < 4096), "the kernel takes no longer ones");
        }
    }
}
