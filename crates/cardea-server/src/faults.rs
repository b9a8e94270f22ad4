//! Points of failure around external calls, as a real server has them: none on purpose.

use cardea_sdk::ExternalError;
use cardea_sdk::context::Faults;

/// Never fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }

    fn after(&self, _what: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
}
