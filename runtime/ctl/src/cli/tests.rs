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
        "nexctl stop wren --thread 0199a0b1-c2d3-7123-8456-789abcdef012 --reason enough --wait 5",
        "nexctl go-on wren",
        "nexctl say -o json hello",
        "nexctl say --to wren,forge --to keel hello",
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
        "nexctl backup ../friday.tar",
        "nexctl blob get sha256-0",
        "nexctl budget set wren --per day",
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
