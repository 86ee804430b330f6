-- code_version: the hash of the views and functions that are installed; no row
-- when none were.
select sha256 from installed_code
