drop table ha_election;
