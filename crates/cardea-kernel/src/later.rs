//! Temporary: replaced when cardea-audit has vault_format and search.
pub mod vault_format {
    pub struct Options;
    impl Options {
        pub fn from_device(_: &std::collections::BTreeMap<String, String>) -> Self {
            Self
        }
    }
    pub fn write_lines(r: &cardea_audit::Record, _: &Options, out: &mut Vec<u8>) {
        if let Ok(b) = r.encode() {
            out.extend(b);
            out.push(b'\n');
        }
    }
}
pub mod search {
    use cardea_audit::*;
    #[derive(Default)]
    pub struct Query {
        path: Option<String>,
    }
    #[derive(Debug)]
    pub struct QueryError;
    impl std::fmt::Display for QueryError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bad")
        }
    }
    impl Query {
        pub fn path(mut self, p: &str) -> Self {
            self.path = Some(p.to_owned());
            self
        }
        pub fn caller(self, _: &str, _: &AuditHasher) -> Self {
            self
        }
        pub fn address(self, _: &str) -> Result<Self, QueryError> {
            Ok(self)
        }
        pub fn between(self, _: Option<LogTime>, _: Option<LogTime>) -> Self {
            self
        }
        pub fn decision(self, _: &str) -> Result<Self, QueryError> {
            Ok(self)
        }
        pub fn operation(self, _: &str) -> Result<Self, QueryError> {
            Ok(self)
        }
        pub fn hashed_value(self, _: Sensitive) -> Self {
            self
        }
        pub fn matches(&self, r: &Record) -> bool {
            self.path.as_ref().is_none_or(|p| r.path.as_ref().is_some_and(|x| x.as_str().starts_with(p.as_str())))
        }
    }
}
