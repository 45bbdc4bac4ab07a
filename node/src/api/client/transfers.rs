//! Requests about files.

use super::{Client, ClientError, DEFAULT_TIMEOUT, wait};
use crate::api::request::Send;
use crate::model::{IdPrefix, TransferStatus};

#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// Sends a file.
    pub async fn send_file(&self, ask: &Send) -> Result<TransferStatus, ClientError> {
        self.post("/v1/transfers", ask, wait(ask.timeout_ms)).await
    }

    /// All transfers.
    pub async fn transfers(&self) -> Result<Vec<TransferStatus>, ClientError> {
        self.get("/v1/transfers").await
    }

    /// One transfer.
    pub async fn transfer(&self, id: &IdPrefix) -> Result<TransferStatus, ClientError> {
        self.get(&format!("/v1/transfers/{id}")).await
    }

    /// Gives a transfer up.
    pub async fn cancel_transfer(&self, id: &IdPrefix) -> Result<TransferStatus, ClientError> {
        self.post(&format!("/v1/transfers/{id}/cancel"), &(), DEFAULT_TIMEOUT).await
    }

    /// Sends what failed once more.
    pub async fn retry_transfer(&self, id: &IdPrefix) -> Result<TransferStatus, ClientError> {
        self.post(&format!("/v1/transfers/{id}/retry"), &(), DEFAULT_TIMEOUT).await
    }
}
