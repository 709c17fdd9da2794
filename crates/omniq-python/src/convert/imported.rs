//! Python objects that are looked up once.

/// A class, function or constant of a Python module, looked up once.
macro_rules! imported {
    ($py:expr, $module:literal, $name:literal) => {{
        static FOUND: pyo3::sync::PyOnceLock<pyo3::Py<pyo3::PyAny>> = pyo3::sync::PyOnceLock::new();
        FOUND
            .get_or_try_init($py, || Ok::<_, pyo3::PyErr>($py.import($module)?.getattr($name)?.unbind()))
            .map(|found| found.bind($py))
    }};
}
pub(crate) use imported;
