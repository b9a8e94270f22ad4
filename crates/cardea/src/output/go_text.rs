//! JSON values as Go prints them with `%v`, because that is what stands in the tables people parse. Pure.

use serde_json::Value;

/// A value as in a table: `<nil>`, `map[a:1 b:2]`, `[a b]`, texts bare.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(text_of).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let entries: Vec<_> = entries.into_iter().map(|(key, value)| format!("{key}:{}", text_of(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// A list of names with quotes, as Go prints it with `%q`: `["default" "root"]`.
pub fn quoted_list(value: Option<&Value>) -> String {
    let names = value.and_then(Value::as_array).into_iter().flatten();
    let names: Vec<String> = names.filter_map(Value::as_str).map(|name| format!("{name:?}")).collect();
    format!("[{}]", names.join(" "))
}

/// Seconds as people read them: `0s`, `15s`, `1m30s`, `1h`, `768h`.
pub fn human_duration(seconds: u64) -> String {
    let text = cardea_model::time::go_duration(seconds);
    let text = text.strip_suffix("m0s").map(|t| format!("{t}m")).unwrap_or(text);
    text.strip_suffix("h0m").map(|t| format!("{t}h")).unwrap_or(text)
}

/// A value of a field whose name says that it is a span of time in seconds.
pub fn field_text(name: &str, value: &Value) -> String {
    let is_span = ["period", "ttl", "duration"].iter().any(|word| name == *word || name.ends_with(&format!("_{word}")))
        || matches!(name, "lease_max" | "ttl_max");
    match value.as_u64().filter(|_| is_span) {
        Some(seconds) => human_duration(seconds),
        None => text_of(value),
    }
}
