//! The status page: the answers of the last hour and the state of sources and rules, as a report that is printed as HTML
//! or JSON.

mod adapters;
pub(crate) mod answers;
pub(crate) mod configuration;
mod exposition;
mod fix_table;
mod fixes;
mod gather;
mod hpa;
mod hpa_lister;
mod html;
mod html_adapters;
mod html_hpas;
mod ids;
pub(crate) mod page;
mod query;
mod report;
mod served_hpas;
mod sparkline;
mod text;
