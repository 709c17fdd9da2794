-- One that waits for others may have to wait again; advance.sql looks.
        case when t.linked and t.state = {dead} and exists (select from {schema}.nodes n where n.id = t.id and n.wait is not null)
             then {blocked} else {ready} end
