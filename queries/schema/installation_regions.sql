-- installation_regions: how many regions this database was installed with.
select regions from installation
