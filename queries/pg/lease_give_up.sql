-- lease_give_up: ends term $3 of lease $1 for owner $2, if it is not over yet, so that
-- others need not wait until it runs out.
update lease set owner = null where purpose = $1 and owner = $2::uuid and term = $3
