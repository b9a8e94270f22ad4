//! Which engines, auth methods and audit devices exist. Filled once by the assembly; never changed while serving.

use cardea_model::mount::MountClass;
use cardea_sdk::audit_device::AuditDeviceKind;
use cardea_sdk::erased::AnyEngine;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that can be mounted or enabled.
#[derive(Default, Clone)]
pub struct Registry {
    /// Engines of one kind by their versions, ascending.
    engines: BTreeMap<&'static str, Vec<Arc<dyn AnyEngine>>>,
    auth: BTreeMap<&'static str, Arc<dyn AnyEngine>>,
    system: BTreeMap<&'static str, Arc<dyn AnyEngine>>,
    devices: BTreeMap<&'static str, Arc<dyn AuditDeviceKind>>,
}

impl Registry {
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn AnyEngine>) -> Self {
        let versions = self.engines.entry(engine.kind()).or_default();
        versions.retain(|known| known.version() != engine.version());
        versions.push(engine);
        versions.sort_by_key(|engine| engine.version());
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

    /// The engine of a kind. `version` chooses where the kind has several; without one it is the least.
    #[must_use]
    pub fn find(&self, class: MountClass, kind: &str, version: Option<&str>) -> Option<&Arc<dyn AnyEngine>> {
        match class {
            MountClass::Secret => match (self.engines.get(kind)?.as_slice(), version) {
                ([], _) => None,
                ([only], _) => Some(only),
                ([least, ..], None) => Some(least),
                (versions, Some(version)) => versions.iter().find(|engine| engine.version() == version),
            },
            MountClass::Auth => self.auth.get(kind),
            MountClass::System => self.system.get(kind),
        }
    }

    #[must_use]
    pub fn has_kind(&self, class: MountClass, kind: &str) -> bool {
        match class {
            MountClass::Secret => self.engines.contains_key(kind),
            MountClass::Auth => self.auth.contains_key(kind),
            MountClass::System => self.system.contains_key(kind),
        }
    }

    #[must_use]
    pub fn find_device(&self, kind: &str) -> Option<&Arc<dyn AuditDeviceKind>> {
        self.devices.get(kind)
    }

    /// Every engine with the class it is mounted as; what tables of routes are walked by.
    pub fn all(&self) -> impl Iterator<Item = (MountClass, &Arc<dyn AnyEngine>)> {
        let engines = self.engines.values().flatten().map(|e| (MountClass::Secret, e));
        let auth = self.auth.values().map(|e| (MountClass::Auth, e));
        engines.chain(auth).chain(self.system.values().map(|e| (MountClass::System, e)))
    }
}
