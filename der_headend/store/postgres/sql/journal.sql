-- Writing, all within the one transaction of a batch.

-- Waits for an attempt under the same id that is still under way, and then knows what became of it.
-- name: claim_batch
insert into commits (batch_id, writer_id, stored_at, newest) values ($1, $2, now(), $3)
on conflict (batch_id) do nothing
returning batch_id

-- name: forget_batches
delete from commits where writer_id = $1 and batch_id <> all ($2::uuid[])

-- name: forget_writers
delete from commits where stored_at < now() - interval '30 days'

-- name: put_marks
insert into spools (spool_id, mark, marked_at)
select n.spool_id, n.mark, now() from unnest($1::uuid[], $2::bigint[]) as n (spool_id, mark)
order by n.spool_id
on conflict (spool_id) do update set mark = excluded.mark, marked_at = excluded.marked_at
where spools.mark < excluded.mark

-- name: marks
select spool_id, mark from spools where spool_id = any ($1::uuid[])

-- name: newest_stored
select max(newest) from commits
