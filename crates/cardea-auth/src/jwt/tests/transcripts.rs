//! Plays the transcripts: what is sent, and what is answered, as data. `<pem>` stands for the issuer's key, and in a login `claims`
//! are what the issuer signs.

use super::{Issuer, login, with, world};
use cardea_model::Method;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Step {
    method: String,
    path: String,
    #[serde(default)]
    body: Value,
    /// Changes to the usual claims; `null` takes one away.
    #[serde(default)]
    claims: Value,
    /// `null` is an answer without content.
    #[serde(default)]
    answer: Value,
    /// Words of the refusal, if it is one.
    #[serde(default)]
    refused: Option<String>,
}

#[tokio::test]
async fn transcripts_play() {
    let issuer = Issuer::new("k");
    let pem = issuer.pem().trim().replace('\n', "\\n");
    let text = include_str!("../transcripts/a_job_logs_in.json").replace("<pem>", &pem);
    let world = world();
    let steps: Vec<Step> = serde_json::from_str(&text).unwrap();
    for (at, step) in steps.into_iter().enumerate() {
        let place = format!("step {}", at + 1);
        let body = if step.body.is_null() { String::new() } else { step.body.to_string() };
        let method = match step.method.as_str() {
            "READ" => Method::Read,
            "LIST" => Method::List,
            "WRITE" => Method::Write,
            "DELETE" => Method::Delete,
            _ => panic!("{place}: no such method"),
        };
        let answer = if step.path == "login" {
            let token = issuer.signs(&with(step.claims));
            let who = login(&world, step.body["role"].as_str().unwrap(), &token).await;
            who.map(|who| serde_json::to_value(&who.metadata).unwrap())
        } else {
            world.ask(method, &step.path, &body).await.map(|reply| reply.data)
        };
        match (answer, step.refused) {
            (Ok(found), None) => assert_eq!(found, step.answer, "{place}"),
            (Err(error), Some(words)) => assert_eq!(error.client, words, "{place}"),
            (Ok(found), Some(_)) => panic!("{place}: answered {found}"),
            (Err(error), None) => panic!("{place}: {error}"),
        }
    }
}
