//! The corpus of every target, and a bounded number of mutations of it. Seeds are fixed: a red run is red again.

use cardea_fuzz::{TARGETS, Target, mutate};

fn hold(target: &Target) {
    let corpus = target.corpus();
    assert!(!corpus.is_empty(), "{} has no corpus", target.name);
    let mut taken = 0;
    for (name, input) in &corpus {
        println!("{}: {name}", target.name);
        taken += usize::from(target.try_input(input));
    }
    // Otherwise what must hold of accepted inputs, or of refusals, would never be asked.
    assert!(0 < taken && taken < corpus.len(), "{}: {taken} of {} inputs are taken", target.name, corpus.len());
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    for round in 0..u64::from(target.rounds) {
        let input = mutate::mutated(&inputs, &mut mutate::Dice::new(round));
        if let Err(panic) = std::panic::catch_unwind(|| target.try_input(&input)) {
            println!("{}: seed {round}: {}", target.name, input.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn every_target_holds_for_its_corpus_and_what_is_near_it() {
    // One after the other within a thread, two threads: targets differ in length by more than a machine has processors.
    let (one, other): (Vec<_>, Vec<_>) = TARGETS.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    std::thread::scope(|scope| {
        for half in [one, other] {
            scope.spawn(move || half.into_iter().for_each(|(_, target)| hold(target)));
        }
    });
}

#[test]
fn names_are_once_and_every_folder_of_the_corpus_has_a_target() {
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    for folder in std::fs::read_dir(corpus).expect("the corpus is there") {
        let folder = folder.expect("an entry").file_name();
        assert!(names.iter().any(|name| **name == *folder), "{} is the corpus of no target", folder.to_string_lossy());
    }
}
