//! What the program is doing, for people: the answers of the last hour, the state of sources and rules, as one report
//! that is printed as HTML or JSON.

mod adapters;
pub(crate) mod answers;
pub(crate) mod configuration;
mod exposition;
mod fixes;
mod gather;
mod html;
pub(crate) mod page;
mod query;
mod report;
mod sparkline;
