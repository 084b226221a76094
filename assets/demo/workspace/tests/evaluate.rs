use reckon::{evaluate, Error};

#[test]
fn products_bind_more_than_sums() {
    assert_eq!(evaluate("2 + 3 * 4"), Ok(14.0));
    assert_eq!(evaluate("(2 + 3) * 4"), Ok(20.0));
}

#[test]
fn a_division_by_zero_is_said() {
    assert_eq!(evaluate("1 / 0"), Err(Error::DivisionByZero));
}
