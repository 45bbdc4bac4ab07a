use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::mailbox::{MailReceipt, MailStatus, ReceiptError};

use crate::people::{at, identity, key_of, rng};

fn receipt(count: usize, what: (MailStatus, Option<ErrorCode>)) -> Vec<u8> {
    let mut rng = rng(1);
    let ids: Vec<_> = (0..count).map(|_| MessageId::random(&mut rng)).collect();
    let sender = key_of(&identity("sender", 1));
    MailReceipt::sign(&identity("owner", 2), &sender, &ids, what, at(0).timestamp).to_vec()
}

#[test]
fn no_bit_of_a_receipt_can_be_changed() {
    for what in
        [(MailStatus::Delivered, None), (MailStatus::Refused, Some(ErrorCode::InvalidVersion))]
    {
        let bytes = receipt(2, what);
        let known = MailReceipt::verify(&bytes).unwrap();
        assert_eq!((known.status, known.code), what);
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                assert!(MailReceipt::verify(&changed).is_err(), "bit {bit} of byte {place}");
            }
            assert!(MailReceipt::verify(&bytes[..place]).is_err());
        }
    }
}

#[test]
fn a_receipt_names_messages_and_a_code_only_if_it_refuses() {
    let form = Err(ReceiptError::Form);
    assert_eq!(MailReceipt::verify(&receipt(0, (MailStatus::Delivered, None))), form);
    assert_eq!(MailReceipt::verify(&receipt(513, (MailStatus::Delivered, None))), form);
    assert!(MailReceipt::verify(&receipt(512, (MailStatus::Processed, None))).is_ok());
    assert_eq!(MailReceipt::verify(&receipt(1, (MailStatus::Refused, None))), form);
    let coded = (MailStatus::Delivered, Some(ErrorCode::RateLimited));
    assert_eq!(MailReceipt::verify(&receipt(1, coded)), form);
}
