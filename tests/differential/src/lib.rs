//! The differential test: the same requests go to the embedded API server and to a real kube-apiserver 1.20, and the
//! answers have to be equal: status, the headers that clients read, and the body, its order included.
//!
//! The requests are `corpus/CATEGORY/*.yaml` (see [`corpus`]); what differs for a good reason from one server to the
//! next, like UIDs and times, is replaced by [`canonical`], the one list of such reasons.

pub mod canonical;
pub mod compare;
pub mod corpus;
pub mod credentials;
pub mod endpoint;
pub mod exchange;
pub mod generate;
pub mod outcome;
pub mod run;
