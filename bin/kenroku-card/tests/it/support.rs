//! The 券面事項入力補助 application: the four attributes, and never the 個人番号.

use kenroku_card::card::{Card, CardError, Tries};
use kenroku_card::secret::Pin;
use kenroku_sim_card::Resident;
use kenroku_sim_card::card::Token;

use crate::ceremony::simulated;

fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned().into()).unwrap()
}

#[test]
fn the_four_attributes_are_read_and_the_number_is_not() {
    let resident = Resident::new(3);
    let mut card = Card::new(simulated(3, Token::Card));
    let mut support = card.support().unwrap();
    assert_eq!(support.tries().unwrap(), Tries(3));
    assert!(matches!(support.basic(pin("0000")), Err(CardError::WrongSecret { left: 2 })));
    assert_eq!(support.tries().unwrap(), Tries(2));
    let basic = support.basic(pin(kenroku_sim_card::PIN)).unwrap();
    assert_eq!(
        (basic.name.as_str(), basic.address.as_str()),
        (resident.name.as_str(), resident.address.as_str())
    );
    assert_eq!(basic.birth, resident.birth.to_string().replace('-', ""));
    assert!(matches!(basic.sex.as_str(), "1" | "2"));
    assert_eq!(format!("{basic:?}"), "Basic(…)");

    let card = card.into_channel();
    assert_eq!(card.number_selected(), 0);
    let chosen: Vec<_> =
        card.commands().iter().filter(|c| c[..4] == [0, 0xA4, 2, 0x0C]).map(|c| c[6]).collect();
    assert!(chosen.iter().all(|file| [0x02, 0x11].contains(file)), "{chosen:?}");
}

#[test]
fn the_simulated_card_does_notice_who_asks_for_the_number() {
    // The control of the assertion above, past the types of the companion.
    let mut card = simulated(3, Token::Card);
    let select = [&[0x00, 0xA4, 0x04, 0x0C, 0x0A][..], kenroku_sim_card::card::SUPPORT].concat();
    card.transmit(&select);
    card.transmit(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, 0x01]);
    assert_eq!(card.number_selected(), 1);
}
