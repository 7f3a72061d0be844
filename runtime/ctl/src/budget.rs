//! `nexctl budget`: what may be spent, and how much of it is.

use nexus_wire::budget::{
    Budget, BudgetClear, BudgetGoOn, BudgetInfo, BudgetList, BudgetSet, BudgetStop, SpendingDay, dollars,
};

use crate::Run;
use crate::cli::BudgetAction;
use crate::failure::Failure;
use crate::table;
use crate::ui::{Shape, Tone, printable};

pub(crate) async fn budget(run: &Run, action: BudgetAction) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    match action {
        BudgetAction::List => {
            let all = run.within(client.call(BudgetList {})).await??;
            client.close().await;
            let empty = all.budgets.is_empty().then_some("nothing is limited; see: nexctl budget set --help");
            if let Some(day) = &all.today
                && run.ui.shape() == Shape::Text
            {
                run.ui.note(Tone::Warning, &day_line(run, day));
            }
            run.list(&all, empty, &table::budgets(&run.ui, &all.budgets, run.now()))
        }
        BudgetAction::GoOn { today, usd } => {
            let go_on = BudgetGoOn { unlimited: today, cost_microusd: usd };
            let day = run.change(&mut client, go_on).await?;
            client.close().await;
            run.answer(&day, || day_line(run, &day))
        }
        BudgetAction::Stop { reason } => {
            let day = run.change(&mut client, BudgetStop { reason }).await?;
            client.close().await;
            run.answer(&day, || day_line(run, &day))
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

/// What was said for today.
fn day_line(run: &Run, day: &SpendingDay) -> String {
    let until = table::exact(day.until, &run.zone);
    let line = match (&day.stop, day.unlimited, day.cost_microusd) {
        (Some(stop), _, _) => {
            let because = stop.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("all spending is stopped by {} until {until}{because}; see: nexctl budget go-on", day.by)
        }
        (None, true, _) => format!("spending goes on; until {until} no budget of a day is looked at"),
        (None, false, Some(more)) => {
            format!("spending goes on; until {until} each budget of a day has {} USD more", dollars(more))
        }
        (None, false, None) => "spending goes on, within the budgets".to_owned(),
    };
    printable(&line)
}

fn set_line(info: &BudgetInfo) -> String {
    let whose = info.of.as_ref().map_or_else(|| "everybody together".to_owned(), ToString::to_string);
    let per = info.per.as_str();
    format!(
        "{whose} may spend {} a {per}, a dispatch that names no budget {}; used: {}",
        info.limit, info.each, info.used
    )
}
