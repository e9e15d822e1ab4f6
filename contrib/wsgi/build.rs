//! Tells the build which Python it is for, and tests and examples where to find its library.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // Tests and examples link libpython, which seldom lies where the system's loader looks (pyenv, a virtual environment).
    pyo3_build_config::add_libpython_rpath_link_args();
}
