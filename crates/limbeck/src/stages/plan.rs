//! What is the same for all trials.

use limbeck_data::Dataset;
use limbeck_distill::search::Plan;

use crate::recipe::Recipe;
use crate::session::Session;

/// What is the same for all trials on a data set.
pub(crate) fn plan<'a>(
    recipe: &'a Recipe,
    data: &'a Dataset,
    session: &'a Session<'_>,
) -> Plan<'a> {
    Plan {
        student: &recipe.student,
        objective: &recipe.objective,
        hints: &recipe.hints,
        slope_reach: recipe.transfer.slope_reach,
        target: data.spec(),
        seed: recipe.seed,
        kept: session.kept(),
    }
}
