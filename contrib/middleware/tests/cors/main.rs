//! CORS against django-cors-headers: one table of rows, on ours and on the original.

mod checks;
mod differential;
mod row;
mod rows;
mod table;
