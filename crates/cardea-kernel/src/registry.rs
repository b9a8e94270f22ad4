//! Which engines, auth methods and audit devices exist. Filled once by the assembly; never changed while serving.

use cardea_model::mount::MountClass;
use cardea_sdk::audit_device::AuditDeviceKind;
use cardea_sdk::erased::AnyEngine;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that can be mounted or enabled.
#[derive(Default, Clone)]
pub struct Registry {
    engines: BTreeMap<&'static str, Arc<dyn AnyEngine>>,
    auth: BTreeMap<&'static str, Arc<dyn AnyEngine>>,
    system: BTreeMap<&'static str, Arc<dyn AnyEngine>>,
    devices: BTreeMap<&'static str, Arc<dyn AuditDeviceKind>>,
}

impl Registry {
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn AnyEngine>) -> Self {
        self.engines.insert(engine.kind(), engine);
        self
    }

    #[must_use]
    pub fn auth(mut self, engine: Arc<dyn AnyEngine>) -> Self {
        self.auth.insert(engine.kind(), engine);
        self
    }

    #[must_use]
    pub fn device(mut self, device: Arc<dyn AuditDeviceKind>) -> Self {
        self.devices.insert(device.kind(), device);
        self
    }

    /// The kernel's own engines: `system`, `identity`, `cubbyhole`, `token`.
    pub(crate) fn system(mut self, engine: Arc<dyn AnyEngine>) -> Self {
        self.system.insert(engine.kind(), engine);
        self
    }

    #[must_use]
    pub fn find(&self, class: MountClass, kind: &str) -> Option<&Arc<dyn AnyEngine>> {
        let kind = kind.to_owned();
        match class {
            MountClass::Secret => self.engines.get(kind.as_str()),
            MountClass::Auth => self.auth.get(kind.as_str()),
            MountClass::System => self.system.get(kind.as_str()),
        }
    }

    #[must_use]
    pub fn find_device(&self, kind: &str) -> Option<&Arc<dyn AuditDeviceKind>> {
        self.devices.get(kind)
    }

    /// Every engine with the class it is mounted as; what tables of routes are walked by.
    pub fn all(&self) -> impl Iterator<Item = (MountClass, &Arc<dyn AnyEngine>)> {
        let engines = self.engines.values().map(|e| (MountClass::Secret, e));
        let auth = self.auth.values().map(|e| (MountClass::Auth, e));
        engines.chain(auth).chain(self.system.values().map(|e| (MountClass::System, e)))
    }
}
