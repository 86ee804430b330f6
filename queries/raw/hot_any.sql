-- hot_any: whether the generation whose table hot_template stands for holds
-- anything.
select exists (select from hot_template)
