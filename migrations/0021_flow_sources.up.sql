-- What was seen of a flow's sources, where its watermark goes by the values of labels: an
-- array of {"values": [of the labels], "newest": ms, "committed_at": ms}, null for other flows.
alter table flow add column sources jsonb;
