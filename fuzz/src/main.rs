//! `cargo run -p cardea-fuzz -- <target> [rounds] [seed]`: mutations of the corpus without a fuzzer's help, for machines that have
//! none. `-- --seeds <target> <folder>` writes the corpus where a fuzzer takes it from; `-- --input <target> <file>` tries one.

#![forbid(unsafe_code)]

use cardea_fuzz::{TARGETS, mutate, target};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["--seeds", name, folder] => seeds(name, folder),
        ["--input", name, file] => input(name, file),
        [name, rest @ ..] => rounds(name, rest),
        [] => None,
    };
    if done.is_none() {
        eprintln!(
            "usage: cardea-fuzz <target> [rounds] [seed] | --seeds <target> <folder> | --input <target> <file>\ntargets:"
        );
        TARGETS.iter().for_each(|target| eprintln!("  {}", target.name));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn rounds(name: &str, rest: &[&str]) -> Option<()> {
    let target = target(name)?;
    let count: u64 = rest.first().map_or(Some(100_000), |text| text.parse().ok())?;
    let seed: u64 = rest.get(1).map_or(Some(0), |text| text.parse().ok())?;
    let inputs: Vec<Vec<u8>> = target.corpus().into_iter().map(|(_, input)| input).collect();
    for round in 0..count {
        let input = mutate::mutated(&inputs, &mut mutate::Dice::new(seed.wrapping_add(round)));
        if let Err(panic) = std::panic::catch_unwind(|| target.try_input(&input)) {
            eprintln!("{name}: seed {}: {}", seed.wrapping_add(round), input.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
    println!("{name}: {count} inputs, nothing found");
    Some(())
}

fn seeds(name: &str, folder: &str) -> Option<()> {
    std::fs::create_dir_all(folder).ok()?;
    for (n, (_, input)) in target(name)?.corpus().into_iter().enumerate() {
        std::fs::write(format!("{folder}/{n:03}"), input).ok()?;
    }
    Some(())
}

fn input(name: &str, file: &str) -> Option<()> {
    let taken = target(name)?.try_input(&std::fs::read(file).ok()?);
    println!("{name}: holds, {}", if taken { "and is taken" } else { "and is refused" });
    Some(())
}
