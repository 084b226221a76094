//! The box around a layer, and a line of keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use crate::ui::text;
use crate::ui::theme::Theme;

/// The area inside a box, with a blank column at each side.
pub fn inner(area: Rect) -> Rect {
    let (x, y) = (2.min(area.width), 1.min(area.height));
    Rect {
        x: area.x + x,
        y: area.y + y,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(2),
    }
}

/// A box of this size in the middle of the screen, no larger than it.
pub fn middle(screen: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    }
}

/// Blanks an area. A wide character that reaches into it goes as a whole: a terminal cannot show
/// the half that is left.
pub fn clear(area: Rect, buf: &mut Buffer) {
    Clear.render(area, buf);
    let Some(left) = area.x.checked_sub(1) else { return };
    for y in area.top()..area.bottom() {
        if let Some(cell) = buf.cell_mut((left, y))
            && text::width(cell.symbol()) > 1
        {
            cell.set_symbol(" ");
        }
    }
}

/// Draws an empty box with a title and returns the area inside.
pub fn draw(area: Rect, buf: &mut Buffer, title: &str, theme: &Theme) -> Rect {
    clear(area, buf);
    if area.width < 6 || area.height < 3 {
        return Rect::ZERO;
    }
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.accent)
        .title(format!(" {title} "))
        .render(area, buf);
    inner(area)
}

/// Draws keys with what they do, as many as fit.
pub fn hints(area: Rect, buf: &mut Buffer, keys: &[(String, String)], theme: &Theme) {
    let mut x = area.x;
    for (index, (key, label)) in keys.iter().enumerate() {
        let gap = if index == 0 { 0 } else { 3 };
        let wide = text::width(key) + 1 + text::width(label);
        let left = usize::from(area.right().saturating_sub(x));
        if gap + wide > left {
            break;
        }
        if gap > 0 {
            x = buf.set_stringn(x, area.y, " · ", left, theme.dim).0;
        }
        x = buf.set_stringn(x, area.y, key, left, theme.accent).0;
        x = buf.set_stringn(x, area.y, format!(" {label}"), left, theme.bar).0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_under_the_edge_of_a_box_goes_as_a_whole() {
        let mut buf = Buffer::with_lines(["漢漢漢漢漢漢漢漢"; 5]);
        let theme = Theme::night();
        draw(Rect::new(5, 1, 8, 3), &mut buf, "", &theme);
        assert_eq!(buf.cell((4, 2)).map(|cell| cell.symbol()), Some(" "));
        assert_eq!(buf.cell((5, 2)).map(|cell| cell.symbol()), Some("│"));
        assert_eq!(buf.cell((4, 0)).map(|cell| cell.symbol()), Some("漢"), "beside the box");
    }
}
