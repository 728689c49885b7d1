//! Numbers that mean *missing*, in C.

use limbeck_runtime::MissingNumbers;

use crate::c_literal::double;

/// A condition in C: `field` is a number that means *missing*. `None` if there is no such number.
pub(crate) fn any_missing(field: &str, missing: &MissingNumbers) -> Option<String> {
    let MissingNumbers {
        values,
        below,
        above,
    } = missing;
    let equal = values
        .iter()
        .map(|&value| format!("{field} == {}", double(value)));
    let below = below.map(|below| format!("{field} < {}", double(below)));
    let above = above.map(|above| format!("{field} > {}", double(above)));
    let any: Vec<String> = equal.chain(below).chain(above).collect();
    (!any.is_empty()).then(|| any.join(" || "))
}
