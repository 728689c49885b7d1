//! Formats to which a student can be exported.

limbeck_options::words! {
    /// A format to which a student can be exported, to run without limbeck.
    pub enum Format {
        /// C99 for any processor.
        #[default]
        C = "c",
        /// ONNX, opset 17, including the preprocessing of raw columns.
        Onnx = "onnx",
    }
}

impl Format {
    /// File name of the manifest (list of files with checksums) of a student that is exported in this format under the name `name`.
    #[must_use]
    pub fn manifest(self, name: &str) -> String {
        format!("{name}.{}.manifest.json", self.name())
    }
}
