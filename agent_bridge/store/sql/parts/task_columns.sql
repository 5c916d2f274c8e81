-- The columns of the task t in the room r.
       t.id AS number, t.key, r.room_id, t.parent, t.title, t.state, t.creator, t.assignee, t.percent, t.note, t.changes
