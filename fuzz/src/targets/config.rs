//! The server's configuration, HCL and JSON: read or refused, and never a value of it in an error.

use crate::mark::{self, MARK};
use cardea_server::config::load;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

/// One file, for its owner alone as one with a key in it must be.
pub fn config(data: &[u8]) -> bool {
    let mut file = tempfile::Builder::new().suffix(".hcl").tempfile().unwrap();
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    file.write_all(data).unwrap();
    let paths = [file.path().to_path_buf()];
    let (read, again) = (load(&paths, &|_| None), load(&paths, &|_| None));
    match (&read, &again) {
        (Ok(config), Ok(_)) => {
            let _ = config.check();
            assert!(config.max_ttl_s > 0 && config.default_ttl_s > 0, "a lease that lives for ever");
        }
        (Err(one), Err(other)) => {
            assert_eq!(one.to_string(), other.to_string());
            let as_key = |form: &str| data.windows(form.len()).any(|window| window == form.as_bytes());
            let inline = as_key(&format!("current_key = \"{MARK}")) || as_key(&format!("\"current_key\": \"{MARK}"));
            if inline && mark::count(data) == 1 {
                mark::absent(&one.to_string(), "an error of a configuration");
            }
        }
        _ => panic!("the same file reads and does not"),
    }
    read.is_ok()
}
