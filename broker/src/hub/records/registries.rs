//! Registries as rows.

use nexus_wire::name::RegistryName;
use nexus_wire::registry::{Registry, RegistryHead, RegistryInfo};
use nexus_wire::{Ms, Party};

/// The latest version of a registry's definition.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistryRecord {
    pub name: RegistryName,
    pub version: u32,
    /// `None`: it was deleted.
    pub registry: Option<Registry>,
    /// Rows it has, and their bytes together.
    pub rows: u64,
    pub bytes: u64,
    /// How many changes of rows there have been; goes on after a deletion.
    pub changes: u64,
    pub by: Party,
    pub at: Ms,
}

impl RegistryRecord {
    /// `None`: it was deleted.
    pub fn head(&self) -> Option<RegistryHead> {
        let registry = self.registry.as_ref()?;
        Some(RegistryHead {
            name: self.name.clone(),
            description: registry.description.clone(),
            version: self.version,
            fields: u32::try_from(registry.fields.len()).unwrap_or(u32::MAX),
            rows: self.rows,
            by: self.by.clone(),
            at: self.at,
        })
    }

    /// `None`: it was deleted.
    pub fn info(self) -> Option<RegistryInfo> {
        let Self { version, registry, rows, bytes, by, at, .. } = self;
        Some(RegistryInfo { registry: registry?, version, rows, bytes, by, at })
    }
}

/// A value of a row that no other row of its registry has: the field, and the value as JSON.
pub type UniqueValue = (String, String);
