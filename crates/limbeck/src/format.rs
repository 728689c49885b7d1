//! What a student can be written as.

limbeck_options::words! {
    /// What a student can be written as, to run without limbeck.
    pub enum Format {
        /// C99 for any processor.
        #[default]
        C = "c",
        /// ONNX, opset 17, with preprocessing inside.
        Onnx = "onnx",
    }
}

impl Format {
    /// The name of the manifest of an artefact of this format.
    #[must_use]
    pub fn manifest(self, name: &str) -> String {
        format!("{name}.{}.manifest.json", self.name())
    }
}
