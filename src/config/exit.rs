//! Exit codes, as in sysexits(3).

/// A usage error.
pub const USAGE: u8 = 64;
/// No such metric, or no usable value.
pub const DATA: u8 = 65;
/// A file is not found.
pub const NO_INPUT: u8 = 66;
/// An address or an upstream is not available.
pub const UNAVAILABLE: u8 = 69;
/// An internal error.
pub const SOFTWARE: u8 = 70;
/// A file cannot be created.
pub const CANNOT_CREATE: u8 = 73;
/// A configuration error.
pub const CONFIG: u8 = 78;
