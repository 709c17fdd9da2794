-- Gives each task of this note a note of its own.
-- params: note bigint
-- writes: end_notes
select {schema}.split_note(:note)
