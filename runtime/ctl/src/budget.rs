//! `nexctl budget`: what may be spent, and how much of it is.

use nexus_wire::budget::{Budget, BudgetClear, BudgetInfo, BudgetList, BudgetSet};

use crate::Run;
use crate::cli::BudgetAction;
use crate::failure::Failure;
use crate::table;
use crate::ui::{Shape, Tone};

pub(crate) async fn budget(run: &Run, action: BudgetAction) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    match action {
        BudgetAction::List => {
            let all = run.within(client.call(BudgetList {})).await??;
            client.close().await;
            let empty = all.budgets.is_empty().then_some("nothing is limited; see: nexctl budget set --help");
            run.list(&all, empty, &table::budgets(&run.ui, &all.budgets, run.now()))
        }
        BudgetAction::Set { of, per, limit, each_tokens, each_usd } => {
            let each = Budget { tokens: each_tokens, cost_microusd: each_usd };
            let set = BudgetSet { of, per: per.into(), limit: limit.into(), each };
            let info = run.change(&mut client, set).await?;
            client.close().await;
            match run.ui.shape() {
                Shape::Data => run.ui.data(&info),
                Shape::Text => run.ui.result_line(&set_line(&info)),
            }
        }
        BudgetAction::Clear { of, per } => {
            let cleared = run.change(&mut client, BudgetClear { of, per: per.into() }).await?;
            client.close().await;
            match run.ui.shape() {
                Shape::Data => run.ui.data(&cleared),
                Shape::Text if cleared.cleared => {
                    run.ui.result_line("cleared; nothing is limited by it any more")
                }
                Shape::Text => {
                    run.ui.note(Tone::Plain, "there was no such budget; see: nexctl budget list");
                    Ok(())
                }
            }
        }
    }
}

fn set_line(info: &BudgetInfo) -> String {
    let whose = info.of.as_ref().map_or_else(|| "everybody together".to_owned(), ToString::to_string);
    let per = info.per.as_str();
    format!(
        "{whose} may spend {} a {per}, a dispatch that names no budget {}; used: {}",
        info.limit, info.each, info.used
    )
}
