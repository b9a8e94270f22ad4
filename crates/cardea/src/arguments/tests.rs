//! Tables of command lines and what they mean.

use super::*;

const FLAGS: &[Flag] = &[
    Flag::switch("force", "").alias("f"),
    Flag::text("field", ""),
    Flag::number("cas", ""),
    Flag::span("ttl", ""),
    Flag::list("policy", ""),
    Flag::pairs("metadata", ""),
];

fn read(data: bool, line: &str) -> Result<Given, Wrong> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    parse(&[FLAGS], data, &words)
}

/// The values of all flags and the arguments, in one line.
fn shown(given: &Given) -> String {
    let mut out: Vec<String> =
        given.values.iter().map(|(name, values)| format!("{name}={}", values.join("+"))).collect();
    out.extend(given.arguments.iter().cloned());
    out.join(" ")
}

#[test]
fn command_lines_mean_what_they_mean_in_go() {
    for (line, meaning) in [
        ("", ""),
        ("a b", "a b"),
        ("-field=x a", "field=x a"),
        ("--field=x a", "field=x a"),
        ("-field x a", "field=x a"),
        ("--field x a", "field=x a"),
        ("-field= a", "field= a"),
        ("-field=a=b c", "field=a=b c"),
        ("-field=x -field=y a", "field=y a"),
        ("-f a", "force=true a"),
        ("-force=false a", "force=false a"),
        ("-cas=-1 a", "cas=-1 a"),
        ("-cas -1 a", "cas=-1 a"),
        ("-ttl 1h30m", "ttl=1h30m"),
        ("-policy=a,b -policy c", "policy=a+b+c"),
        ("-metadata=a=b -metadata c=d,e", "metadata=a=b+c=d,e"),
        ("- a", "- a"),
        ("a -", "a -"),
        ("-f -- -field", "force=true -field"),
    ] {
        assert_eq!(read(true, line).map(|given| shown(&given)), Ok(meaning.to_owned()), "{line}");
    }
}

#[test]
fn data_ends_the_flags_and_other_arguments_do_not() {
    let data = read(true, "a -field=x k=v").unwrap();
    assert_eq!(shown(&data), "a -field=x k=v");
    assert_eq!(data.late, ["-field"]);
    let plain = read(false, "a -field=x b -f").unwrap();
    assert_eq!(shown(&plain), "field=x force=true a b");
    assert!(plain.late.is_empty());
}

#[test]
fn what_cannot_be_read_is_named_without_its_value() {
    for (line, words) in [
        ("-nope a", "flag provided but not defined: -nope"),
        ("-field", "flag needs an argument: -field"),
        ("-cas=many", "invalid value for flag -cas: not a number"),
        ("-f=maybe", "invalid value for flag -force: not true or false"),
        ("-ttl=soon", "invalid value for flag -ttl: not a span of time"),
        ("-metadata=x", "invalid value for flag -metadata: not of the form key=value"),
    ] {
        assert_eq!(read(true, line), Err(Wrong::Said(words.to_owned())), "{line}");
    }
    for line in ["-h", "--help", "-f -help a"] {
        assert_eq!(read(true, line), Err(Wrong::Help), "{line}");
    }
}
