//! The recipes that come with the project.

use std::path::Path;

use limbeck::Recipe;

#[test]
fn recipes_of_the_project_can_be_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder `recipes`") {
        let path = entry.expect("an entry of it").path();
        let flags =
            toml::from_str("table = 'a.csv'\n[data]\ntarget = 'y'\ntime = 't'").expect("flags");
        let recipe = Recipe::read(&path, flags)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        recipe
            .check()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let again = Recipe::parse(
            &recipe.to_toml().expect("as TOML"),
            "resolved",
            toml::Table::new(),
        )
        .expect("the resolved recipe");
        assert_eq!(again, recipe, "{}", path.display());
        found += 1;
    }
    assert!(found >= 4, "{found}");
}
