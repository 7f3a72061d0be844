use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn what_people_type_is_understood() {
    let good = [
        "nexctl ask forge what",
        "nexctl ask what --thread 0199a0b1-c2d3-7123-8456-789abcdef012 --timeout 5m",
        "nexctl --context up get aspects",
        "nexctl get aspect -o json",
        "nexctl ack worker_lost/wren/verify-claim",
        "nexctl get alerts --all --limit 3",
        "nexctl get approvals --all --limit 3",
        "nexctl get approval 1234abcd",
        "nexctl approve 1234abcd --note go",
        "nexctl deny 0199a0b1-c2d3-7123-8456-789abcdef012",
        "nexctl answer 1234abcd the red one",
        "nexctl backup friday.tar --with-keys",
        "nexctl blob put notes.txt --type text/plain",
        "nexctl completions zsh",
        "nexctl get threads 0199a0b1-c2d3-7123-8456-789abcdef012",
        "nexctl budget list",
        "nexctl budget set wren --per day --usd 5 --tokens 100000 --each-usd 0.25",
        "nexctl budget set --per month --tokens 100000 --each-tokens 900",
        "nexctl budget clear operator/ana --per month",
        "nexctl hold wren --reason enough",
        "nexctl pause wren --reason enough",
        "nexctl release wren",
        "nexctl get dispatches --open",
        "nexctl get messages 0199a0b1-c2d3-7123-8456-789abcdef012",
        "nexctl get threads --unread --participant operator/ana",
        "nexctl get receipts 0199a0b1-c2d3-7123-8456-789abcdef012",
        "nexctl mark 0199a0b1-c2d3-7123-8456-789abcdef012 7",
        "nexctl react 0199a0b1-c2d3-7123-8456-789abcdef012 👍 --remove",
        "nexctl rename 0199a0b1-c2d3-7123-8456-789abcdef012 the plan",
        "nexctl knowledge grant wren read --of forge",
        "nexctl knowledge get rivers --of operator/ana --at-version 2",
        "nexctl knowledge search rivers -sea OR lake*",
        "nexctl session tree wren global",
        "nexctl search moon --by wren --before 7",
        "nexctl search moon --since 2h --until today",
        "nexctl knowledge search --min-score 2.5 rivers",
        "nexctl get messages 620a --after 3 --before 9 --limit 2",
        "nexctl logs --kind message,dispatch.ended --kind alert --by operator/ana",
        "nexctl stop wren --thread 0199a0b1-c2d3-7123-8456-789abcdef012 --reason enough --wait 5",
        "nexctl go-on wren",
        "nexctl say -o json hello",
        "nexctl say --to wren,forge --to keel hello",
        "nexctl say --attach a.txt --attach b.txt --topic plan hello",
        "nexctl say --attach a.txt",
        "nexctl ask wren what? --attach a.txt --topic plan",
        "nexctl dispatch wren/verify-claim {} --wait --deadline 90 --budget-tokens 9 --budget-usd 0.01",
        "nexctl get dispatches --dead --limit 3",
        "nexctl get dispatches --tree 0199a0b1-c2d3-7123-8456-789abcdef012",
        "nexctl retry 0199a0b1-c2d3-7123-8456-789abcdef012 --wait --deadline 5m",
        "nexctl dispatch --needs verify,german --prefer wren {}",
        "nexctl get sessions wren global --watch",
        "nexctl get -w dispatches 620a -o yaml",
        "nexctl describe session wren 620a",
        "nexctl describe knowledge rivers --of wren",
        "nexctl login https://10.0.0.5:7888 --ca ca.pem --name ana --as lan --expires 720h",
        "nexctl logout --force --context lan",
        "nexctl logs wren -f --since 10m --tail 0",
        "nexctl operator add ana --role admin --dry-run",
        "nexctl operator role ana viewer",
        "nexctl operator token add ana laptop --expires 12h",
        "nexctl audit --since 2026-11-26 --until 2026-11-26T08:00 --subject wren",
        "nexctl usage --by model --since 7d",
        "nexctl top --once -o json",
        "nexctl trigger add m --cron 0\u{a0}8 --zone Europe/Berlin --ask harrow What changed?",
        "nexctl trigger add m --every 10m --dispatch wren/check {} --retry 2 --backoff 10s,1m --overlap queue",
        "nexctl trigger add m --every 10m --zone Europe/Berlin --ask harrow look",
        "nexctl trigger add m --in 5m --ask harrow look --misfire 3 --jitter 10s",
        "nexctl trigger add m --after n --on both --ask harrow look",
        "nexctl trigger add m --event message,alert --by wren --ask harrow look",
        "nexctl trigger next m -n 3",
        "nexctl trigger history m --limit 3 --before 9",
        "nexctl deny 1234abcd --reason late",
        "nexctl trigger put -",
        "nexctl context add up --url http://127.0.0.1:1 --token-file f --use",
    ];
    for line in good {
        assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
    let bad = [
        "nexctl",
        "nexctl answer 1234abcd",
        "nexctl approve",
        "nexctl ask",
        "nexctl ask what --timeout soon",
        "nexctl ask what --timeout -5m",
        "nexctl ask --attach a.txt",
        "nexctl say",
        "nexctl say --topic plan",
        "nexctl say --topic \u{a0} hello",
        "nexctl search moon --since soon",
        "nexctl knowledge search --min-score -1 rivers",
        "nexctl get messages 620a --before x",
        "nexctl logs --kind Message",
        "nexctl logs --by Wren!",
        "nexctl backup ../friday.tar",
        "nexctl blob get sha256-0",
        "nexctl budget set wren --per day",
        "nexctl trigger add m --ask harrow look",
        "nexctl trigger add m --manual look",
        "nexctl trigger add m --manual --every 5m --ask harrow look",
        "nexctl trigger add m --manual --ask harrow look --misfire sometimes",
        "nexctl budget set wren --usd 5",
        "nexctl budget set wren --per day --usd 5 --each-tokens 5",
        "nexctl budget set wren --per day --usd 1e3",
        "nexctl hold wren",
        "nexctl stop",
        "nexctl stop wren --turn x",
        "nexctl get messages",
        "nexctl get messages x",
        "nexctl dispatch wren/verify-claim {} more",
        "nexctl dispatch {} --avoid wren",
        "nexctl get dispatches --dead --open",
        "nexctl knowledge grant wren read",
        "nexctl knowledge grant wren write",
        "nexctl get aspects -o xml",
        "nexctl get threads 620",
        "nexctl describe",
        "nexctl audit --since soon",
        "nexctl usage --by week",
        "nexctl operator add Ana",
    ];
    for line in bad {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn a_shell_completes_the_names_of_files_to_attach() {
    let command = Cli::command();
    for name in ["ask", "say"] {
        let found = command.find_subcommand(name).expect("it is there");
        let attach = found.get_arguments().find(|it| it.get_id() == "attach").expect("it is there");
        assert_eq!(attach.get_value_hint(), clap::ValueHint::FilePath, "{name}");
    }
}
