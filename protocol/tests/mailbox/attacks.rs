//! What is tried against items, prekeys, receipts and mailbox nodes. Each test fails if the check that it
//! is about is taken out.

mod items;
mod keeping;
mod nodes;
mod opening;
mod owing;
mod prekeys;
mod putting;
mod receipts;
mod receiving;
mod roles;
mod rounds;
mod sending;
mod visiting;
