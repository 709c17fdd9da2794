//! Payments: the task completes in the transaction that moves the money.

use omniq::storage::postgres::CompleteIn;
use omniq::{Context, Failure};
use serde_json::json;
use uuid::Uuid;

use super::handlers::Desk;
use crate::history::Arguments;

impl Desk {
    pub(super) async fn pay(
        &self,
        arguments: &Arguments,
        context: &Context,
        run: Uuid,
    ) -> Result<(), Failure> {
        let mut client = self.connection().await?;
        let mut transaction = client.transaction().await?;
        // One statement locks both accounts in one order, so that payments do not deadlock.
        let sql = "with held as materialized (select id from accounts where id in ($1, $2) order by id for update)
            update accounts a set balance = balance
                + case when a.id = $2 then $3::bigint else 0 end - case when a.id = $1 then $3::bigint else 0 end
            from held h where a.id = h.id";
        transaction.execute(sql, &[&arguments.payer, &arguments.payee, &arguments.amount]).await?;
        let sql = "insert into payments values ($1, $2, $3)";
        transaction.execute(sql, &[&context.id().as_uuid(), &arguments.n.cast_signed(), &run]).await?;
        // One run in sixteen rolls back and fails.
        if run.as_u128() & 15 == 0 {
            context.complete_in(&mut transaction, &json!({ "n": arguments.n, "run": run })).await?;
            transaction.rollback().await?;
            return Err(Failure::error("rolled_back", "changed its mind"));
        }
        context.complete_in(&mut transaction, &json!({ "n": arguments.n, "run": run })).await?;
        transaction.commit().await?;
        self.give_back(client).await;
        Ok(())
    }
}
