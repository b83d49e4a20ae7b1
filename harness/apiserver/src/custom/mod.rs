//! Custom resources: their definitions, the schemas in them, and the objects.

pub mod columns;
pub mod definition;
pub mod instance;
pub mod jsonpath;
pub mod path;
pub mod schema;
pub mod webhook;
